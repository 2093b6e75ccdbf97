// The characters and comparisons of HTTP's and MIME's headers.
// Thread: any.  Source: RFC 9110 section 5.6.2.
#pragma once

#include <strings.h>

#include <string_view>

namespace soundgate {

inline bool is_token_character(char c) {
  constexpr std::string_view kMarks = "!#$%&'*+-.^_`|~";
  return (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') ||
         kMarks.find(c) != std::string_view::npos;
}

inline bool starts_with_ignoring_case(std::string_view text, std::string_view prefix) {
  return text.size() >= prefix.size() &&
         strncasecmp(text.data(), prefix.data(), prefix.size()) == 0;
}

inline bool same_ignoring_case(std::string_view a, std::string_view b) {
  return a.size() == b.size() && starts_with_ignoring_case(a, b);
}

inline bool contains_ignoring_case(std::string_view text, std::string_view part) {
  for (; text.size() >= part.size(); text.remove_prefix(1)) {
    if (starts_with_ignoring_case(text, part)) return true;
  }
  return false;
}

// Without the blanks (space, tab) around it.
inline std::string_view trimmed(std::string_view value) {
  constexpr std::string_view kBlanks = " \t";
  const size_t begin = value.find_first_not_of(kBlanks);
  if (begin == std::string_view::npos) return {};
  return value.substr(begin, value.find_last_not_of(kBlanks) + 1 - begin);
}

}  // namespace soundgate
