#include "dataplane/http/part_head.h"

#include <algorithm>

#include "dataplane/http/text.h"

namespace soundgate {
namespace {

bool is_control(char c) {
  return (static_cast<unsigned char>(c) < 0x20 && c != '\t') || c == '\x7f';
}

// For people to read: origins take names apart in many ways.
std::string_view file_name_in(std::string_view disposition) {
  constexpr std::string_view kKey = "filename=";
  for (size_t at = 0; at + kKey.size() <= disposition.size(); ++at) {
    std::string_view rest = disposition.substr(at);
    if (!starts_with_ignoring_case(rest, kKey)) continue;
    rest.remove_prefix(kKey.size());
    const bool quoted = rest.starts_with('"');
    if (quoted) rest.remove_prefix(1);
    return rest.substr(0, rest.find(quoted ? '"' : ';'));
  }
  return {};
}

bool is_plain_coding(std::string_view value) {
  return same_ignoring_case(value, "binary") || same_ignoring_case(value, "8bit") ||
         same_ignoring_case(value, "7bit") || same_ignoring_case(value, "identity");
}

}  // namespace

void PartHead::clear() {
  content_type.clear();
  file_name.clear();
  is_form_data = is_file = is_coded = false;
  dispositions = content_types = codings = 0;
}

bool PartHead::take_line(std::string_view line) {
  const size_t colon = line.find(':');
  if (colon == std::string_view::npos || colon == 0 || line.starts_with("--")) return false;
  const std::string_view name = line.substr(0, colon);
  if (!std::ranges::all_of(name, is_token_character)) return false;
  if (std::ranges::any_of(line, is_control)) return false;
  const std::string_view value = trimmed(line.substr(colon + 1));
  if (same_ignoring_case(name, "content-disposition")) {
    is_form_data = same_ignoring_case(trimmed(value.substr(0, value.find(';'))), "form-data");
    is_file = contains_ignoring_case(value, "filename");
    file_name.append(file_name_in(value));
    return ++dispositions == 1;
  }
  if (same_ignoring_case(name, "content-type")) {
    content_type.append(value);
    return ++content_types == 1;
  }
  if (same_ignoring_case(name, "content-transfer-encoding") ||
      same_ignoring_case(name, "content-encoding")) {
    is_coded = is_coded || !is_plain_coding(value);
    return ++codings <= 2;
  }
  return true;
}

bool PartHead::is_field() const {
  const std::string_view type = content_type.view();
  const bool is_text = type.empty() || starts_with_ignoring_case(type, "text/") ||
                       starts_with_ignoring_case(type, "application/json") ||
                       starts_with_ignoring_case(type, "application/x-www-form-urlencoded");
  return is_form_data && !is_file && is_text && !is_wrapped();
}

bool PartHead::is_wrapped() const {
  return is_coded || contains_ignoring_case(content_type.view(), "multipart/");
}

}  // namespace soundgate
