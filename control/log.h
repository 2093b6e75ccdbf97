// The log: one structured line an event, on stderr.
//   time=2026-11-22T09:30:00.123Z level=info event=upload_decided upload_id=01… verdict=block
// Values are escaped: what a client sends can not forge a line.
// Thread: any, but no lcore.
#pragma once

#include <initializer_list>
#include <string>
#include <string_view>
#include <utility>

namespace soundgate {

enum class LogLevel { kDebug, kInfo, kWarn, kError };

using LogField = std::pair<std::string_view, std::string>;

void set_log_level(std::string_view level);  // "debug", "info", "warn", "error"
void log(LogLevel level, std::string_view event, std::initializer_list<LogField> fields = {});

}  // namespace soundgate
