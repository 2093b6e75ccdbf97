// Each row of the table of formats in fingerprint/README.md is held by a file of real music,
// through a pool: fpcalc's items, while the bytes arrive where the table says so, however they
// come.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <fstream>
#include <random>
#include <thread>

#include "tests/fingerprint/format_table.h"
#include "tests/fingerprint/one_worker.h"

namespace soundgate::test {
namespace {

constexpr double kSecondsPerItem = 1365.0 / 11025;
// The first item needs 2.6 s, items come 24 at a time, and half of the bytes is not quite half of
// the audio (of joined files, it is more than half of the first).
constexpr double kHeardLateSeconds = 7;
constexpr double kPaddingSeconds = 0.3;  // that codecs add, or fail to take away
constexpr size_t kItemCountTolerance = 2;

class Formats : public OneWorker, public testing::WithParamInterface<FormatRow> {
 protected:
  static void append_in_small_pieces(StreamHandle stream, std::span<const std::byte> bytes) {
    static std::mt19937 random(7);
    while (!bytes.empty()) {
      const auto piece = bytes.first(std::min<size_t>(1 + random() % 9000, bytes.size()));
      if (pool_->producer(0).append(stream, piece) == StreamProducer::Append::kFull) {
        std::this_thread::sleep_for(std::chrono::milliseconds(1));
      } else {
        bytes = bytes.subspan(piece.size());
      }
    }
  }

  static double expected_seconds(const FormatRow& row) {
    return kFormatSeconds * (row.second_part ? 1 + kSecondPartShare : 1);
  }

  static void expect_whole(const Heard& heard, const FormatRow& row) {
    EXPECT_EQ(heard.end.outcome, DecodeOutcome::decoded) << name(heard.end.outcome);
    EXPECT_STREQ(heard.end.format, row.container);
    EXPECT_STREQ(heard.end.codec, row.codec);
    EXPECT_FALSE(heard.has_gap);
    EXPECT_NEAR(heard.end.decoded_seconds, expected_seconds(row), kPaddingSeconds);
    EXPECT_NEAR(heard.end.duration_seconds, expected_seconds(row), kPaddingSeconds);
  }

  static void expect_fpcalc_s(const Heard& heard, const FormatRow& row,
                              const std::filesystem::path& file) {
    const auto theirs = run_fpcalc(
        row.is_compared_as_wav ? run_ffmpeg("-v quiet -i '" + file.string() + "' -c:a pcm_f32le",
                                            file.filename().string() + ".wav")
                               : file);
    ASSERT_FALSE(theirs.empty()) << "fpcalc made nothing of " << file;
    EXPECT_NEAR(static_cast<double>(heard.items.size()), static_cast<double>(theirs.size()),
                kItemCountTolerance);
    const double percent = 100 * differing_bits(heard.items, theirs);
    EXPECT_LE(std::round(100 * percent) / 100, row.differing_percent);
  }

  static inline uint64_t next_tag_ = 1;
};

TEST_P(Formats, IsHeardAsTheTableSays) {
  const FormatRow& row = GetParam();
  const auto file = format_file(row);
  const Bytes bytes = read_file(file.string());
  ASSERT_GT(bytes.size(), row.front_bytes);

  const size_t half = row.front_bytes + (bytes.size() - row.front_bytes) / 2;
  const uint64_t slow_tag = next_tag_++;
  const StreamHandle slow =
      pool_->producer(0).begin(slow_tag, static_cast<int64_t>(bytes.size())).value();
  append_in_small_pieces(slow, std::span(bytes).first(half));

  // The same worker: when it is through with this, it has long made what it can of the other.
  const auto whole = decode(*pool_, recorder_, bytes);
  ASSERT_TRUE(whole);
  expect_whole(*whole, row);
  expect_fpcalc_s(*whole, row, file);

  const double heard_seconds =
      static_cast<double>(recorder_.heard(slow_tag).items.size()) * kSecondsPerItem;
  if (row.streams == std::string_view(kStreams)) {
    EXPECT_GE(heard_seconds, kFormatSeconds / 2 - kHeardLateSeconds);
  } else {
    EXPECT_EQ(heard_seconds, 0);
  }
  append_in_small_pieces(slow, std::span(bytes).subspan(half));
  pool_->producer(0).finish(slow);
  const auto slowly = recorder_.wait_for_end(slow_tag);
  ASSERT_TRUE(slowly);
  EXPECT_EQ(slowly->items, whole->items);
  EXPECT_EQ(slowly->bands, whole->bands);
  expect_whole(*slowly, row);

  const StreamHandle unsized = pool_->producer(0).begin(next_tag_, -1).value();
  ASSERT_TRUE(feed_whole(pool_->producer(0), unsized, bytes));
  const auto heard_unsized = recorder_.wait_for_end(next_tag_++);
  ASSERT_TRUE(heard_unsized);
  expect_whole(*heard_unsized, row);
  if (!row.needs_size) {
    EXPECT_EQ(heard_unsized->items, whole->items);
  }
}

INSTANTIATE_TEST_SUITE_P(Table, Formats, testing::ValuesIn(format_table()));

std::string percent(double value) {
  char text[16];
  std::snprintf(text, sizeof text, "%.2f", value);
  return text;
}

std::vector<std::string> rows_of_readme() {
  std::ifstream readme(SOUNDGATE_README);
  std::vector<std::string> rows;
  bool in_table = false;
  for (std::string line; std::getline(readme, line);) {
    if (line.starts_with("| format | container, codec |")) {
      in_table = true;
      std::getline(readme, line);  // the rule below the heading
    } else if (in_table && line.starts_with("|")) {
      rows.push_back(line);
    } else {
      in_table = false;
    }
  }
  return rows;
}

TEST(FormatTable, IsTheReadmes) {
  std::vector<std::string> rows;
  for (const FormatRow& row : format_table()) {
    rows.push_back(std::string("| ") + row.format + " | " + row.container + ", " + row.codec +
                   " | " + row.streams + " | " + percent(row.differing_percent) +
                   (row.is_compared_as_wav ? " *" : "") + " |");
  }
  EXPECT_THAT(rows_of_readme(), testing::ElementsAreArray(rows));
}

}  // namespace
}  // namespace soundgate::test
