#include "control/text.h"

#include <gtest/gtest.h>

namespace soundgate {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

TEST(EscapeControls, KeepsWhatIsSafe) {
  EXPECT_EQ(escape_controls("Bärenfänger – “Lied” 曲.mp3"), "Bärenfänger – “Lied” 曲.mp3");
}

TEST(EscapeControls, NeitherMovesTheCursorNorForgesALine) {
  EXPECT_EQ(escape_controls("a\x1b[2Jb\nc\r\t\x7f"), "a\\x1b[2Jb\\nc\\r\\t\\x7f");
  EXPECT_EQ(escape_controls("\xc2\x9b"
                            "31m"),
            "\\x9b31m");                                                // C1 as UTF-8
  EXPECT_EQ(escape_controls("gpj\xe2\x80\xae.exe"), "gpj\\u202e.exe");  // right-to-left override
}

TEST(EscapeControls, BytesThatAreNotUtf8) {
  EXPECT_EQ(escape_controls("a\xff"
                            "b\xc3"),
            "a\\xffb\\xc3");
  EXPECT_EQ(escape_controls("\xc0\x80\xed\xa0\x80"), "\\xc0\\x80\\xed\\xa0\\x80");
}

TEST(EscapeControls, WhatCannotBeSeen) {
  EXPECT_EQ(escape_controls("a\xe2\x80\x8b"        // zero width space
                            "b\xd8\x9c"            // Arabic letter mark: it turns the direction
                            "c\xef\xbb\xbf"        // byte order mark
                            "d\xf3\xa0\x80\x81"),  // a tag
            "a\\u200bb\\u061cc\\ufeffd\\ue0001");
  const std::string family = "\xf0\x9f\x91\xa8\xe2\x80\x8d\xf0\x9f\x91\xa9";  // joined emoji
  EXPECT_EQ(escape_controls(family), family);
  EXPECT_EQ(escape_controls("a\xe3\x85\xa4"        // Hangul filler
                            "b\xc2\xad"            // soft hyphen
                            "c\xf0\x9d\x85\xb3"),  // musical begin of a beam
            "a\\u3164b\\xadc\\u1d173");
  const std::string year = "\xd8\x81\xd9\xa1";  // Arabic sign of a year, and a digit
  EXPECT_EQ(escape_controls(year), year);
}

TEST(EscapeControlsOfJson, SaysTheSame) {
  EXPECT_EQ(escape_controls_of_json("{\"a\":\"\xc2\x9b\x7f\xe2\x80\xae\xf3\xa0\x80\x81é\\n\"}"),
            "{\"a\":\"\\u009b\\u007f\\u202e\\udb40\\udc01é\\n\"}");
}

TEST(WordOrQuoted, DoesNotReadAsMoreOfTheSentence) {
  EXPECT_EQ(word_or_quoted("/a/b.mp3?x=1"), "/a/b.mp3?x=1");
  EXPECT_EQ(word_or_quoted("a from 192.0.2.1, uploader root"),
            "\"a from 192.0.2.1, uploader root\"");
  EXPECT_EQ(word_or_quoted("a\" b"), "\"a\\\" b\"");
  EXPECT_EQ(word_or_quoted(""), "\"\"");
}

TEST(Columns, WideAndCombiningCharacters) {
  EXPECT_EQ(column_count("Bär"), 3u);
  EXPECT_EQ(column_count("曲の名"), 6u);
  EXPECT_EQ(column_count("한글"), 4u);
  EXPECT_EQ(column_count("\xf0\x9f\x8e\xb5"), 2u);                  // a musical note
  EXPECT_EQ(column_count("\xf0\x9f\x91\x8d\xf0\x9f\x8f\xbd"), 2u);  // a thumb, and its colour
  EXPECT_EQ(column_count("e\xcc\x81"), 1u);  // e, and an accent that combines with it
  EXPECT_EQ(fitting_prefix("曲の名", 5), "曲の");
  EXPECT_EQ(fitting_prefix("e\xcc\x81x", 1), "e\xcc\x81");
}

TEST(Utf8OrEscaped, OnlyWhatIsNotUtf8Changes) {
  EXPECT_EQ(utf8_or_escaped("Bär\n"), "Bär\n");
  EXPECT_EQ(utf8_or_escaped("B\xe4r\n"), "B\\xe4r\\n");
}

TEST(Times, MinutesAndSeconds) {
  EXPECT_EQ(minutes_seconds(0.4), "0:00");
  EXPECT_EQ(minutes_seconds(189.6), "3:10");
  EXPECT_EQ(minutes_seconds(3723), "1:02:03");
  EXPECT_EQ(minutes_seconds(-1), "0:00");
}

TEST(Times, Iso8601ToTheMillisecond) {
  EXPECT_EQ(iso8601(from_epoch_seconds(1795339677.1239)), "2026-11-22T09:27:57.123Z");
  EXPECT_DOUBLE_EQ(epoch_seconds(from_epoch_seconds(1795339677.123456)), 1795339677.123456);
}

TEST(ParseTime, DatesEpochsAndSpans) {
  const WallTime now = from_epoch_seconds(1795339677);
  EXPECT_EQ(*parse_time("2026-11-22T09:27:57Z", now, -1), now);
  EXPECT_EQ(*parse_time("2026-11-22T09:27:57.25Z", now, -1), now + milliseconds(250));
  EXPECT_EQ(iso8601(*parse_time("2026-11-22T09:27:57.524Z", now, -1)), "2026-11-22T09:27:57.524Z");
  EXPECT_EQ(*parse_time("2026-11-22", now, -1), from_epoch_seconds(1795305600));
  EXPECT_EQ(*parse_time("1795339677", now, -1), now);
  EXPECT_EQ(*parse_time("90s", now, -1), now - seconds(90));
  EXPECT_EQ(*parse_time("7d", now, 1), now + seconds(7 * 86400));
}

TEST(ParseTime, RefusesTheRest) {
  for (const char* text : {"", "soon", "-3h", "2026-13-01", "1e99d", "nan", "2026-11-22T09:27",
                           "2026-02-30", "2026-11-22T09:27:57.Z", "2026-11-22T09:27:57.5",
                           "2026-11-22T09:27:57.5eZ", "2026-11-22T09:27:57.00000000000Z"}) {
    EXPECT_FALSE(parse_time(text, {}, -1)) << text;
  }
}

TEST(ParseTime, RefusesWhatTheClockCannotHold) {
  for (const char* text : {"3200-01-01", "2262-01-01", "0001-01-01", "1e10", "-1"}) {
    const auto time = parse_time(text, {}, 1);
    ASSERT_FALSE(time) << text;
    EXPECT_NE(time.error().find("is out of range"), std::string::npos) << time.error();
  }
  EXPECT_EQ(iso8601(*parse_time("2261-01-01", {}, 1)), "2261-01-01T00:00:00.000Z");
}

}  // namespace
}  // namespace soundgate
