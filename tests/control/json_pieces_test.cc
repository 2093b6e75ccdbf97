#include "control/json_pieces.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cstring>

namespace soundgate {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

// Hands out its text a few bytes at a time, and may break off.
class SlowText : public ByteSource {
 public:
  SlowText(std::string text, size_t step, bool breaks = false)
      : text_(std::move(text)), step_(step), breaks_(breaks) {}
  Result<size_t> read(std::span<std::byte> buffer) override {
    const size_t bytes = std::min({buffer.size(), step_, text_.size() - at_});
    if (bytes == 0 && breaks_) return fail(ErrorCode::kInternal, "the disk is gone");
    std::memcpy(buffer.data(), text_.data() + at_, bytes);
    at_ += bytes;
    return bytes;
  }

 private:
  std::string text_;
  size_t step_, at_ = 0;
  bool breaks_;
};

// "line: text", or "line! problem".
std::vector<std::string> pieces_of(const std::string& text, size_t step = 1 << 20,
                                   size_t bytes_max = 1000) {
  SlowText source(text, step);
  JsonPieces pieces(source, bytes_max, 10);
  std::vector<std::string> found;
  for (;;) {
    const auto piece = pieces.next().value();
    if (!piece) return found;
    EXPECT_NE(piece->text.empty(), piece->problem.empty());
    found.push_back(std::to_string(piece->line) + (piece->problem.empty() ? ": " : "! ") +
                    piece->text + piece->problem);
  }
}

TEST(JsonPieces, OneALineOrSeveralOrOverSeveralLines) {
  EXPECT_THAT(pieces_of(""), IsEmpty());
  EXPECT_THAT(pieces_of("\n \r\n\t\n"), IsEmpty());
  EXPECT_THAT(pieces_of("{\"a\":1}\n{\"b\":2}\r\n\n{}"),
              ElementsAre("10: {\"a\":1}", "11: {\"b\":2}", "13: {}"));
  EXPECT_THAT(pieces_of("{\"a\":1}{\"b\":2} {\"c\":3}\n"),
              ElementsAre("10: {\"a\":1}", "10: {\"b\":2}", "10: {\"c\":3}"));
  EXPECT_THAT(pieces_of("{\n  \"a\": {\n    \"b\": [{}]\n  }\n}\n{}"),
              ElementsAre("10: {\n  \"a\": {\n    \"b\": [{}]\n  }\n}", "15: {}"));
  EXPECT_THAT(pieces_of("[{\"a\":1},\n {\"b\":2}]\n"),
              ElementsAre("10: {\"a\":1}", "11: {\"b\":2}"));
}

TEST(JsonPieces, BracesInTextsAreText) {
  const std::string text = R"({"a":"}{","b\"}":"\\","c":"\\\"{"})";
  EXPECT_THAT(pieces_of(text + text), ElementsAre("10: " + text, "10: " + text));
}

TEST(JsonPieces, WhatIsBrokenTakesNothingElseWithIt) {
  const std::string broken = "10! the object breaks off";
  EXPECT_THAT(pieces_of("{\"a\": [1, 2\n{\"b\":2}\n"), ElementsAre(broken, "11: {\"b\":2}"));
  EXPECT_THAT(pieces_of("{\"a\": \"x\n{\"b\":2}\n"),
              ElementsAre(broken + " within a text", "11: {\"b\":2}"));
  EXPECT_THAT(pieces_of("{\"a\": \"x\\\n  {\"b\":2}\n"),
              ElementsAre(broken + " within a text", "11: {\"b\":2}"));
  EXPECT_THAT(pieces_of("{\"a\": {}"), ElementsAre(broken));
  EXPECT_THAT(pieces_of("{\"a"), ElementsAre(broken));
  EXPECT_THAT(pieces_of("{\"a\\"), ElementsAre(broken));
  EXPECT_THAT(pieces_of("{} }\n{}\n"),
              ElementsAre("10: {}", "10! there is no JSON object here", "11: {}"));
}

TEST(JsonPieces, ARunOfOtherThingsIsOneProblem) {
  EXPECT_THAT(pieces_of("DURATION=214\nFINGERPRINT=AQAD{}\n\n {}"),
              ElementsAre("10! there is no JSON object here", "13: {}"));
  EXPECT_THAT(pieces_of(std::string("RIFF\0\0{{{\"\n\xff", 13)),
              ElementsAre("10! there is no JSON object here"));
}

TEST(JsonPieces, KeepsNoMoreThanItMay) {
  const std::string fits = "{\"a\":\"" + std::string(992, 'x') + "\"}";
  const std::string large = "{\"a\":\"" + std::string(993, 'x') + "\"}";
  EXPECT_THAT(pieces_of(fits + "\n" + large + "\n" + fits),
              ElementsAre("10: " + fits, "11! the object is too large", "12: " + fits));
  EXPECT_THAT(pieces_of(std::string(100'000, '{')), ElementsAre("10! the object is too large"));
}

TEST(JsonPieces, ItDoesNotMatterHowTheBytesCome) {
  const std::string text = "{\"a\":\"\\\"}\"}\n{\"b\n{\"c\":{}}x\n {}\n{";
  const auto whole = pieces_of(text);
  EXPECT_EQ(whole.size(), 6U);
  for (size_t step = 1; step < 12; ++step) EXPECT_EQ(pieces_of(text, step), whole);
}

TEST(JsonPieces, PassesTheErrorsOfItsSourceOn) {
  SlowText source("{}{", 100, true);
  JsonPieces pieces(source, 100);
  EXPECT_EQ(pieces.next().value()->text, "{}");
  EXPECT_EQ(pieces.next().error().message, "the disk is gone");
}

}  // namespace
}  // namespace soundgate
