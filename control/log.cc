#include "control/log.h"

#include <spdlog/sinks/stdout_sinks.h>
#include <spdlog/spdlog.h>

#include "control/text.h"

namespace soundgate {
namespace {

spdlog::logger& logger() {
  static const auto logger = [] {
    auto made = spdlog::stderr_logger_mt("soundgate");
    made->set_pattern("time=%Y-%m-%dT%H:%M:%S.%eZ level=%l %v", spdlog::pattern_time_type::utc);
    made->flush_on(spdlog::level::trace);
    return made;
  }();
  return *logger;
}

spdlog::level::level_enum to_spdlog(LogLevel level) {
  switch (level) {
    case LogLevel::kDebug:
      return spdlog::level::debug;
    case LogLevel::kInfo:
      return spdlog::level::info;
    case LogLevel::kWarn:
      return spdlog::level::warn;
    case LogLevel::kError:
      break;
  }
  return spdlog::level::err;
}

// Backslashes first: "\\n" in the log was two characters, "\n" a line's end.
std::string quoted_if_needed(const std::string& value) {
  std::string escaped;
  for (const char c : value) {
    if (c == '"' || c == '\\') escaped += '\\';
    escaped += c;
  }
  escaped = escape_controls(escaped);
  const bool plain = !escaped.empty() && escaped.find_first_of(" \"=\\") == std::string::npos;
  return plain ? escaped : '"' + escaped + '"';
}

}  // namespace

void set_log_level(std::string_view level) {
  logger().set_level(spdlog::level::from_str(std::string(level)));
}

void log(LogLevel level, std::string_view event, std::initializer_list<LogField> fields) {
  if (!logger().should_log(to_spdlog(level))) return;
  std::string line = "event=" + std::string(event);
  for (const auto& [key, value] : fields) {
    line += " " + std::string(key) + "=" + quoted_if_needed(value);
  }
  logger().log(to_spdlog(level), line);
}

}  // namespace soundgate
