#include "index/catalogue/validate.h"

#include <algorithm>
#include <cmath>
#include <nlohmann/json.hpp>

#include "index/limits.h"

namespace soundgate {
namespace {

tl::unexpected<IndexError> invalid(std::string message) {
  return tl::unexpected(IndexError{IndexError::Kind::kInvalid, std::move(message)});
}

// Neither overlong forms, surrogates, nor code points past U+10FFFF.
bool is_utf8(std::string_view text) {
  for (size_t i = 0; i < text.size();) {
    const auto lead = static_cast<unsigned char>(text[i]);
    const size_t length = lead < 0x80 ? 1 : lead < 0xC2 ? 0 : lead < 0xE0 ? 2 : lead < 0xF0 ? 3 : 4;
    if (length == 0 || lead > 0xF4 || i + length > text.size()) return false;
    for (size_t k = 1; k < length; ++k) {
      if ((static_cast<unsigned char>(text[i + k]) & 0xC0) != 0x80) return false;
    }
    const auto second = length > 1 ? static_cast<unsigned char>(text[i + 1]) : 0;
    if ((lead == 0xE0 && second < 0xA0) || (lead == 0xED && second > 0x9F)) return false;
    if ((lead == 0xF0 && second < 0x90) || (lead == 0xF4 && second > 0x8F)) return false;
    i += length;
  }
  return true;
}

bool has_control_character(std::string_view text) {
  return std::ranges::any_of(text, [](unsigned char c) { return c < 0x20 || c == 0x7F; });
}

// The first byte tells an object: what follows is JSON, so it may start with nothing else.
bool is_json_object(std::string_view text) {
  const size_t first = text.find_first_not_of(" \t\r\n");
  return first != std::string_view::npos && text[first] == '{' && nlohmann::json::accept(text);
}

IndexResult<void> validate(const Fingerprint& fingerprint) {
  if (fingerprint.algorithm != kAlgorithm) {
    return invalid("fingerprint algorithm " + std::to_string(fingerprint.algorithm) +
                   " does not fit this index, which has algorithm " + std::to_string(kAlgorithm));
  }
  if (fingerprint.items.empty()) return invalid("there is no audio to enrol: no items");
  if (fingerprint.items.size() > kItemsMax) {
    return invalid("a reference has at most " + std::to_string(kItemsMax) +
                   " items (24 hours), not " + std::to_string(fingerprint.items.size()));
  }
  if (!std::isfinite(fingerprint.duration_seconds) || fingerprint.duration_seconds < 0) {
    return invalid("the duration of a reference is a number of seconds, 0 or more");
  }
  return {};
}

}  // namespace

IndexResult<void> validate(const Bank& bank) {
  if (!is_bank_name(bank.name)) {
    return invalid("a bank's name is 1 to 64 characters of a-z, 0-9, '.', '_' and '-'");
  }
  if (!(bank.seconds_min >= 0 && bank.seconds_min <= kBankSecondsMinMax)) {
    return invalid("a bank's minimum of matched seconds is from 0 to " +
                   std::to_string(static_cast<int>(kBankSecondsMinMax)));
  }
  if (!parse_action(name(bank.action)) || !parse_probes(name(bank.probes))) {
    return invalid("a bank's action or probes setting is not one there is");
  }
  return {};
}

IndexResult<void> validate_content_id(std::string_view content_id) {
  if (content_id.empty() || content_id.size() > kContentIdBytesMax) {
    return invalid("a content id has 1 to " + std::to_string(kContentIdBytesMax) + " bytes, not " +
                   std::to_string(content_id.size()));
  }
  if (!is_utf8(content_id)) return invalid("a content id is UTF-8 text");
  if (has_control_character(content_id)) return invalid("a content id has no control characters");
  return {};
}

IndexResult<void> validate(const EnrollRequest& request) {
  if (auto checked = validate_content_id(request.content_id); !checked) return checked;
  if (request.title.size() > kTitleBytesMax) {
    return invalid("a title has at most " + std::to_string(kTitleBytesMax) + " bytes, not " +
                   std::to_string(request.title.size()));
  }
  if (!is_utf8(request.title)) return invalid("a title is UTF-8 text");
  if (request.metadata_json.size() > kMetadataBytesMax) {
    return invalid("metadata has at most " + std::to_string(kMetadataBytesMax) + " bytes, not " +
                   std::to_string(request.metadata_json.size()));
  }
  if (!is_json_object(request.metadata_json)) return invalid("metadata is a JSON object");
  if (request.suppression) {
    if (auto checked = validate(*request.suppression); !checked) return checked;
  }
  return validate(request.fingerprint);
}

IndexResult<void> validate(const Suppression& suppression) {
  if (suppression.reason.size() > kReasonBytesMax) {
    return invalid("a reason has at most " + std::to_string(kReasonBytesMax) + " bytes, not " +
                   std::to_string(suppression.reason.size()));
  }
  if (!is_utf8(suppression.reason)) return invalid("a reason is UTF-8 text");
  return {};
}

}  // namespace soundgate
