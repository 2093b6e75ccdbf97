#include "control/api/fingerprint_json.h"

#include <algorithm>
#include <array>
#include <limits>
#include <nlohmann/json.hpp>
#include <optional>

#include "control/api/reference_json.h"
#include "control/decisions/verdict_json.h"
#include "control/inspection/sha256.h"
#include "control/text.h"
#include "fingerprint/chroma/compressed.h"
#include "index/audio_seconds.h"
#include "index/catalogue/items_blob.h"
#include "index/limits.h"

namespace soundgate {
namespace {

using Json = nlohmann::ordered_json;
using std::chrono::system_clock;

constexpr double kDurationSecondsMax = 24 * 3600;
static_assert(kItemsMax <= kCompressedItemsMax);

constexpr double kPartialSecondsMin = 0.5;
constexpr double kPartialShareMin = 0.01;

tl::unexpected<Error> invalid(std::string message) {
  return fail(ErrorCode::kInvalid, std::move(message));
}

Result<void> check_keys(const Json& object) {
  constexpr std::array kKeys = {"content_id",  "title", "metadata", "duration",    "algorithm",
                                "fingerprint", "bass",  "treble",   "suppression", "timestamp"};
  for (const auto& [key, unused] : object.items()) {
    if (std::find(kKeys.begin(), kKeys.end(), key) != kKeys.end()) continue;
    return invalid("there is no key '" + escape_controls(key) + "' of a fingerprint");
  }
  return {};
}

// Null is the same as nothing.
const Json* told(const Json& object, const char* key) {
  const auto found = object.find(key);
  return found == object.end() || found->is_null() ? nullptr : &*found;
}

Result<std::string> text_of(const Json& object, const char* key) {
  const Json* given = told(object, key);
  if (given == nullptr) return std::string();
  if (!given->is_string()) return invalid(std::string(key) + " must be text");
  return given->get<std::string>();
}

// fpcalc knows items as numbers without a sign, and as numbers with one.
std::optional<Item> item_of(const Json& number) {
  if (number.is_number_unsigned()) {
    const auto value = number.get<uint64_t>();
    if (value > std::numeric_limits<uint32_t>::max()) return {};
    return static_cast<Item>(value);
  }
  if (!number.is_number_integer()) return {};
  const auto value = number.get<int64_t>();
  if (value < std::numeric_limits<int32_t>::min() || value >= 0) return {};
  return static_cast<Item>(static_cast<int32_t>(value));
}

Result<std::vector<Item>> items_of(const Json& object, const std::string& key) {
  const Json* given = told(object, key.c_str());
  if (given != nullptr && given->is_string()) {
    return decompress(given->get_ref<const std::string&>(), kItemsMax).map_error([&](auto error) {
      return Error{ErrorCode::kInvalid, key + " " + std::string(text(error)), {}};
    });
  }
  if (given == nullptr || !given->is_array()) {
    return invalid(key + " must be text as fpcalc prints it, or an array of its items");
  }
  if (given->size() > kItemsMax) {
    return invalid(key + " " + std::string(text(CompressedError::kTooMany)));
  }
  std::vector<Item> items;
  items.reserve(given->size());
  for (const Json& number : *given) {
    const auto item = item_of(number);
    if (!item) return invalid(key + ": an item is a whole number of 32 bits");
    items.push_back(*item);
  }
  return items;
}

Result<void> check_algorithm(const Json& object) {
  const Json* given = told(object, "algorithm");
  if (given == nullptr || *given == Json(kAlgorithm)) return {};
  return invalid("algorithm must be " + std::to_string(kAlgorithm) +
                 ", that of fpcalc's default, the only one that is matched here");
}

Result<double> duration_of(const Json& object, size_t item_count) {
  const Json* given = told(object, "duration");
  const double seconds = given == nullptr ? 0 : given->is_number() ? given->get<double>() : -1;
  if (!(seconds >= 0 && seconds <= kDurationSecondsMax)) {
    return invalid("duration must be 0 to 86400 seconds (24 hours)");
  }
  if (seconds > 0) return seconds;  // fpcalc says 0 where it does not know
  return audio_seconds(item_count);
}

bool is_partial(const Fingerprint& fingerprint) {
  const double duration = fingerprint.duration_seconds;
  const double missing = duration - audio_seconds(fingerprint.items.size());
  return missing > kPartialSecondsMin && missing > kPartialShareMin * duration;
}

Result<Fingerprint> fingerprint_of(const Json& object) {
  if (auto checked = check_algorithm(object); !checked) return tl::unexpected(checked.error());
  auto items = items_of(object, "fingerprint");
  if (!items) return tl::unexpected(items.error());
  auto seconds = duration_of(object, items->size());
  if (!seconds) return tl::unexpected(seconds.error());
  Fingerprint fingerprint{kAlgorithm, *seconds, std::move(*items)};
  if (told(object, "bass") == nullptr && told(object, "treble") == nullptr) return fingerprint;
  for (const auto& [key, band] :
       {std::pair("bass", &fingerprint.bass), std::pair("treble", &fingerprint.treble)}) {
    auto of_band = items_of(object, key);
    if (!of_band) return tl::unexpected(of_band.error());
    if (of_band->size() != fingerprint.items.size()) {
      return invalid(std::string(key) + " must have as many items as fingerprint");
    }
    *band = std::move(*of_band);
  }
  return fingerprint;
}

Result<std::string> metadata_of(const Json& object) {
  const Json* given = told(object, "metadata");
  if (given == nullptr) return "{}";
  if (!given->is_object()) return invalid("metadata must be a JSON object");
  return dump(*given);
}

Result<std::optional<Suppression>> suppression_of(const Json& object) {
  const Json* given = told(object, "suppression");
  if (given == nullptr) return std::nullopt;
  if (!given->is_object()) return invalid("suppression must be null or {reason, until}");
  const auto reason = text_of(*given, "reason");
  const auto until = text_of(*given, "until");
  if (!reason || reason->empty() || !until) {
    return invalid("suppression must have a reason, and may have a time until which it holds");
  }
  Suppression suppression{*reason, {}};
  if (until->empty()) return suppression;
  const auto time = parse_time(*until, system_clock::now(), 1);
  if (!time) return invalid("suppression until: " + time.error());
  suppression.until = *time;
  return suppression;
}

std::string sha256_of(const std::vector<Item>& items) {
  const std::vector<uint8_t> blob = blob_of_items(items);
  Sha256 digest;
  digest.update(std::as_bytes(std::span(blob)));
  return digest.hex();
}

}  // namespace

Result<ImportedReference> imported_reference(std::string_view json_text) {
  const Json object = parse_untrusted(json_text);
  if (!object.is_object()) return invalid("this is not JSON, or it is nested more than 64 deep");
  if (auto checked = check_keys(object); !checked) return tl::unexpected(checked.error());
  auto fingerprint = fingerprint_of(object);
  if (!fingerprint) return tl::unexpected(fingerprint.error());
  auto content_id = text_of(object, "content_id");
  if (!content_id) return tl::unexpected(content_id.error());
  auto title = text_of(object, "title");
  if (!title) return tl::unexpected(title.error());
  auto metadata = metadata_of(object);
  if (!metadata) return tl::unexpected(metadata.error());
  auto suppression = suppression_of(object);
  if (!suppression) return tl::unexpected(suppression.error());

  ImportedReference imported;
  imported.is_partial = is_partial(*fingerprint);
  EnrollRequest& request = imported.request;
  request.content_id = content_id->empty() ? sha256_of(fingerprint->items) : std::move(*content_id);
  request.title = std::move(*title);
  request.metadata_json = std::move(*metadata);
  request.fingerprint = std::move(*fingerprint);
  request.suppression = std::move(*suppression);
  return imported;
}

Json exported_json(const ExportedReference& exported) {
  const auto& [reference, fingerprint] = exported;
  Json json = {{"content_id", reference.content_id},
               {"title", reference.title},
               {"metadata", parse_untrusted(reference.metadata_json)},
               {"duration", fingerprint.duration_seconds},
               {"algorithm", fingerprint.algorithm},
               {"fingerprint", compress(fingerprint.items)},
               {"suppression", suppression_json(reference.suppression)}};
  if (fingerprint.has_all_bands()) {
    json["bass"] = compress(fingerprint.bass);
    json["treble"] = compress(fingerprint.treble);
  }
  return json;
}

}  // namespace soundgate
