// Small conversions between values and text for people: escaping, times, lengths.
#pragma once

#include <string>
#include <string_view>
#include <tl/expected.hpp>

#include "dataplane/upload.h"

namespace soundgate {

// Control characters, what is invisible or turns the direction of writing, and bytes that are not
// UTF-8 become \n, \x1b, \u202e: what comes from outside can neither move a terminal's cursor nor
// forge a log line.
std::string escape_controls(std::string_view text);

// The same for a text that is JSON, where it means what it meant: \u009b, \udb40\udc01.
std::string escape_controls_of_json(std::string_view json);

// What a sentence quotes from outside: as it is where it is one plain word, else in quotes, so that
// a value with blanks and commas in it does not read as more of the sentence.
std::string word_or_quoted(std::string_view escaped);

// As it is where it is UTF-8, else escaped: for what must be text, and came from a file's name.
std::string utf8_or_escaped(std::string_view text);

// How many columns text takes on a terminal: two for East Asian wide characters and emoji, none for
// marks that combine with what stands before them. (wcwidth() asks the locale, and there may be
// none.)
size_t column_count(std::string_view text);
// As much from the start of text as these columns hold; no character is cut.
std::string_view fitting_prefix(std::string_view text, size_t columns);

std::string minutes_seconds(double seconds);  // "0:07", "3:10", "1:02:03"
std::string short_duration(double seconds);   // "850 ms", "42 s", "3 min", "2.5 h", "4 days"
std::string size_text(double bytes);          // "512 B", "1.2 MB"
std::string iso8601(WallTime time);           // "2026-11-22T09:30:00.123Z"
double epoch_seconds(WallTime time);          // with microseconds
WallTime from_epoch_seconds(double seconds);

// "2026-11-22T09:30:00Z", "2026-11-22", epoch seconds, or a span from now ("90s", "15m", "2h",
// "7d") in the direction that span_sign gives: -1 ago, 1 from now.
tl::expected<WallTime, std::string> parse_time(std::string_view text, WallTime now, int span_sign);

}  // namespace soundgate
