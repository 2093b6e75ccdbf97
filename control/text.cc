#include "control/text.h"

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
  uint32_t value = 0;
  size_t bytes = 0;  // 0: not UTF-8
};

CodePoint decode_utf8(std::string_view text) {
  const auto byte = [&](size_t i) { return static_cast<uint8_t>(text[i]); };
  const uint8_t lead = byte(0);
  if (lead < 0x80) return {lead, 1};
  const size_t bytes = lead >= 0xf0 && lead < 0xf5 ? 4 : lead >= 0xe0 ? 3 : lead >= 0xc2 ? 2 : 0;
  if (bytes == 0 || lead >= 0xf5 || text.size() < bytes) return {};
  uint32_t value = lead & (0xffu >> (bytes + 1));
  for (size_t i = 1; i < bytes; ++i) {
    if ((byte(i) & 0xc0) != 0x80) return {};
    value = value << 6 | (byte(i) & 0x3fu);
  }
  constexpr std::array<uint32_t, 5> kLeast = {0, 0, 0x80, 0x800, 0x10000};
  const bool surrogate = value >= 0xd800 && value < 0xe000;
  if (value < kLeast.at(bytes) || surrogate || value > 0x10ffff) return {};
  return {value, bytes};
}

bool is_unsafe(uint32_t c) {
  const bool control = c < 0x20 || (c >= 0x7f && c < 0xa0);
  const bool direction = (c >= 0x200e && c <= 0x200f) || (c >= 0x202a && c <= 0x202e) ||
                         (c >= 0x2066 && c <= 0x2069) || c == 0x2028 || c == 0x2029;
  return control || direction;
}

template <class... Values>
std::string print(const char* format, Values... values) {
  std::array<char, 96> buffer{};
  const int length = std::snprintf(buffer.data(), buffer.size(), format, values...);
  return {buffer.data(), static_cast<size_t>(length)};
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
    if (end != nullptr && *end == '\0') return static_cast<double>(timegm(&parts));
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

size_t column_count(std::string_view text) {
  size_t count = 0;
  for (const char c : text) count += (static_cast<uint8_t>(c) & 0xc0) != 0x80;
  return count;
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
