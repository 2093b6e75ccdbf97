#include "control/text.h"

#include <utf8proc.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>
#include <cstdio>
#include <ctime>
#include <optional>

namespace soundgate {
namespace {

using std::chrono::microseconds;

struct CodePoint {
  uint32_t value = 0xfffd;  // what stands for what is not UTF-8
  size_t bytes = 0;         // 0: not UTF-8
};

CodePoint decode_utf8(std::string_view text) {
  utf8proc_int32_t value = 0;
  const auto bytes = utf8proc_iterate(reinterpret_cast<const utf8proc_uint8_t*>(text.data()),
                                      static_cast<utf8proc_ssize_t>(text.size()), &value);
  if (bytes <= 0) return {};
  return {static_cast<uint32_t>(value), static_cast<size_t>(bytes)};
}

// Persian, Hindi and emoji are written with them.
bool is_joiner(uint32_t c) { return c == 0x200c || c == 0x200d; }

// Controls, separators of lines, and what has no shape of its own: formats that turn the direction
// of writing, fillers, tags. Marks stay, and so do signs that stand before a number (U+0600).
bool is_unsafe(uint32_t c) {
  const utf8proc_property_t& property = *utf8proc_get_property(static_cast<utf8proc_int32_t>(c));
  switch (property.category) {
    case UTF8PROC_CATEGORY_CC:
    case UTF8PROC_CATEGORY_ZL:
    case UTF8PROC_CATEGORY_ZP:
      return true;
    case UTF8PROC_CATEGORY_CF:
      return !is_joiner(c) && property.boundclass != UTF8PROC_BOUNDCLASS_PREPEND;
    case UTF8PROC_CATEGORY_MN:
      return false;
    default:
      return property.ignorable;
  }
}

// Of emoji, those that colour the one before them take none, either.
size_t columns_of(uint32_t c) {
  const auto code_point = static_cast<utf8proc_int32_t>(c);
  const auto boundaries = utf8proc_get_property(code_point)->boundclass;
  if (boundaries == UTF8PROC_BOUNDCLASS_EXTEND) return 0;
  return static_cast<size_t>(utf8proc_charwidth(code_point));
}

template <class... Values>
std::string print(const char* format, Values... values) {
  std::array<char, 96> buffer{};
  const int length = std::snprintf(buffer.data(), buffer.size(), format, values...);
  return {buffer.data(), std::min(static_cast<size_t>(std::max(0, length)), buffer.size() - 1)};
}

std::string escaped(uint32_t c) {
  if (c == '\n') return "\\n";
  if (c == '\r') return "\\r";
  if (c == '\t') return "\\t";
  return c < 0x100 ? print("\\x%02x", c) : print("\\u%04x", c);
}

std::optional<double> parse_number(std::string_view text) {
  double value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc{} || end != text.data() + text.size() || !std::isfinite(value)) return {};
  return value;
}

std::optional<double> parse_span(std::string_view text) {
  if (text.empty()) return {};
  double unit = 0;
  switch (text.back()) {
    case 's':
      unit = 1;
      break;
    case 'm':
      unit = 60;
      break;
    case 'h':
      unit = 3600;
      break;
    case 'd':
      unit = 86400;
      break;
    default:
      return {};
  }
  const auto count = parse_number(text.substr(0, text.size() - 1));
  if (!count || *count < 0) return {};
  return *count * unit;
}

// WallTime counts nanoseconds: it ends in the year 2262.
constexpr double kEpochSecondsMax = 9.2e9;

// 2026-11-22T09:30:00.125Z, as iso8601 writes it.
std::optional<double> parse_date_with_fraction(const std::string& text) {
  std::tm parts{};
  const char* end = strptime(text.c_str(), "%Y-%m-%dT%H:%M:%S", &parts);
  if (end == nullptr || *end != '.' || !text.ends_with('Z')) return {};
  const std::string fraction(end, text.c_str() + text.size() - 1);
  const bool digits = fraction.find_first_not_of("0123456789", 1) == std::string::npos;
  if (fraction.size() < 2 || fraction.size() > 10 || !digits) return {};
  return static_cast<double>(timegm(&parts)) + *parse_number("0" + fraction);
}

std::optional<double> parse_date(const std::string& text) {
  for (const char* format : {"%Y-%m-%dT%H:%M:%SZ", "%Y-%m-%dT%H:%MZ", "%Y-%m-%d"}) {
    std::tm parts{};
    const char* end = strptime(text.c_str(), format, &parts);
    if (end == nullptr || *end != '\0') continue;
    const int day = parts.tm_mday;
    const std::time_t seconds = timegm(&parts);
    if (parts.tm_mday == day) return static_cast<double>(seconds);  // 2026-02-30 was none
  }
  return parse_date_with_fraction(text);
}

}  // namespace

std::string escape_controls(std::string_view text) {
  std::string out;
  out.reserve(text.size());
  while (!text.empty()) {
    const CodePoint c = decode_utf8(text);
    const size_t bytes = c.bytes == 0 ? 1 : c.bytes;
    if (c.bytes == 0) {
      out += print("\\x%02x", static_cast<unsigned>(static_cast<uint8_t>(text[0])));
    } else if (is_unsafe(c.value)) {
      out += escaped(c.value);
    } else {
      out += text.substr(0, bytes);
    }
    text.remove_prefix(bytes);
  }
  return out;
}

std::string utf8_or_escaped(std::string_view text) {
  for (std::string_view rest = text; !rest.empty();) {
    const size_t bytes = decode_utf8(rest).bytes;
    if (bytes == 0) return escape_controls(text);
    rest.remove_prefix(bytes);
  }
  return std::string(text);
}

std::string escape_controls_of_json(std::string_view json) {
  std::string out;
  out.reserve(json.size());
  while (!json.empty()) {
    const CodePoint c = decode_utf8(json);
    const size_t bytes = c.bytes == 0 ? 1 : c.bytes;
    if (c.bytes < 2 || !is_unsafe(c.value)) {
      out += json[0] == 0x7f ? "\\u007f" : json.substr(0, bytes);
    } else if (c.value < 0x10000) {
      out += print("\\u%04x", c.value);
    } else {
      const uint32_t pair = c.value - 0x10000;
      out += print("\\u%04x\\u%04x", 0xd800 + (pair >> 10), 0xdc00 + (pair & 0x3ff));
    }
    json.remove_prefix(bytes);
  }
  return out;
}

std::string word_or_quoted(std::string_view escaped) {
  const bool plain = !escaped.empty() && escaped.find_first_of(" ,;\"") == std::string_view::npos;
  if (plain) return std::string(escaped);
  std::string out = "\"";
  for (const char c : escaped) {
    if (c == '"') out += '\\';
    out += c;
  }
  return out + '"';
}

size_t column_count(std::string_view text) {
  size_t count = 0;
  while (!text.empty()) {
    const CodePoint c = decode_utf8(text);
    count += columns_of(c.value);
    text.remove_prefix(std::max<size_t>(c.bytes, 1));
  }
  return count;
}

std::string_view fitting_prefix(std::string_view text, size_t columns) {
  size_t bytes = 0;
  while (bytes < text.size()) {
    const CodePoint c = decode_utf8(text.substr(bytes));
    const size_t wanted = columns_of(c.value);
    if (wanted > columns) break;
    columns -= wanted;
    bytes += std::max<size_t>(c.bytes, 1);
  }
  return text.substr(0, bytes);
}

std::string minutes_seconds(double seconds) {
  const auto whole = static_cast<long long>(std::llround(std::max(0.0, seconds)));
  if (whole < 3600) return print("%lld:%02lld", whole / 60, whole % 60);
  return print("%lld:%02lld:%02lld", whole / 3600, whole / 60 % 60, whole % 60);
}

std::string short_duration(double seconds) {
  if (seconds < 1) return print("%.0f ms", seconds * 1e3);
  if (seconds < 10) return print("%.1f s", seconds);
  if (seconds < 120) return print("%.0f s", seconds);
  if (seconds < 7200) return print("%.0f min", seconds / 60);
  if (seconds < 2 * 86400) return print("%.1f h", seconds / 3600);
  return print("%.1f days", seconds / 86400);
}

std::string size_text(double bytes) {
  if (bytes < 1e3) return print("%.0f B", bytes);
  if (bytes < 1e6) return print("%.1f kB", bytes / 1e3);
  if (bytes < 1e9) return print("%.1f MB", bytes / 1e6);
  return print("%.2f GB", bytes / 1e9);
}

double epoch_seconds(WallTime time) {
  const auto count = std::chrono::duration_cast<microseconds>(time.time_since_epoch()).count();
  return static_cast<double>(count) / 1e6;
}

WallTime from_epoch_seconds(double seconds) {
  return WallTime(microseconds(static_cast<int64_t>(std::llround(seconds * 1e6))));
}

std::string iso8601(WallTime time) {
  const auto since = std::chrono::floor<std::chrono::milliseconds>(time.time_since_epoch());
  const auto second = std::chrono::floor<std::chrono::seconds>(since);
  const std::time_t whole = static_cast<std::time_t>(second.count());
  std::tm parts{};
  gmtime_r(&whole, &parts);
  return print("%04d-%02d-%02dT%02d:%02d:%02d.%03dZ", parts.tm_year + 1900, parts.tm_mon + 1,
               parts.tm_mday, parts.tm_hour, parts.tm_min, parts.tm_sec,
               static_cast<int>((since - second).count()));
}

tl::expected<WallTime, std::string> parse_time(std::string_view text, WallTime now, int span_sign) {
  constexpr double kSpanSecondsMax = 100 * 366 * 86400.0;
  if (const auto span = parse_span(text); span && *span <= kSpanSecondsMax) {
    return now + microseconds(static_cast<int64_t>(*span * 1e6) * span_sign);
  }
  const auto number = parse_number(text);
  const auto seconds = number ? number : parse_date(std::string(text));
  const std::string quoted = "'" + escape_controls(text) + "'";
  if (!seconds) {
    return tl::unexpected(quoted +
                          " is not a time (2026-11-22T09:30:00Z, 2026-11-22, or 90s, 15m, 2h, 7d)");
  }
  if (*seconds < 0 || *seconds > kEpochSecondsMax) {
    return tl::unexpected(quoted + " is out of range: times go from 1970 to 2261");
  }
  return from_epoch_seconds(*seconds);
}

}  // namespace soundgate
