// Sparse coverage: of each period a share is decoded, and what is decoded has the items that the
// whole would have had.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <bit>
#include <cmath>

#include "tests/fingerprint/test_audio.h"

namespace soundgate::test {
namespace {

constexpr double kSeconds = 95;
constexpr CoverageSettings kQuarter{.share = 0.25, .period_seconds = 40};

struct Format {
  const char* name;  // of the file
  const char* arguments;
  double differing_bits_max = 0.001;
};
void PrintTo(const Format& format, std::ostream* out) { *out << format.name; }

constexpr Format kFormats[] = {
    {"a.mp3", "-c:a libmp3lame -b:a 128k"},
    {"low.mp3", "-c:a libmp3lame -b:a 32k -ar 22050 -ac 1"},
    {"adts.aac", "-c:a aac -b:a 128k"},
    {"first.m4a", "-c:a aac -movflags +faststart"},
    {"48k.m4a", "-c:a aac -ar 48000 -movflags +faststart"},
    {"alac.m4a", "-c:a alac -movflags +faststart"},
    {"16.flac", "-c:a flac"},
    {"48k.flac", "-c:a flac -ar 48000"},
    {"16.wav", "-c:a pcm_s16le"},
    {"vorbis.ogg", "-c:a libvorbis"},
    {"96k.opus", "-c:a libopus -b:a 96k"},
    {"a.ts", "-c:a aac -b:a 128k"},  // of some packets
    {"opus.webm", "-c:a libopus -b:a 96k", 0.005},  // its times are whole milliseconds
};

class Coverage : public testing::TestWithParam<Format> {
 protected:
  void SetUp() override {
    DecoderPool::Options options;
    options.worker_path = SOUNDGATE_DECODER;
    options.worker_count = 1;
    pool_ = DecoderPool::start(options, recorder_).value();
  }
  Heard hear(std::span<const std::byte> bytes, const CoverageSettings& coverage) {
    pool_->set_coverage(coverage);
    const auto heard = decode(*pool_, recorder_, bytes);
    EXPECT_TRUE(heard);
    return heard.value_or(Heard{});
  }

  PoolRecorder recorder_;
  std::unique_ptr<DecoderPool> pool_;
};

// Bits of `some` that differ from those of the items of `all` that have the same index, as a share.
double differing_bits(const HeardItems& some, const HeardItems& all) {
  int differing = 0;
  for (size_t i = 0; i < some.items.size(); ++i) {
    const auto at = std::ranges::lower_bound(all.indexes, some.indexes[i]);
    if (at == all.indexes.end() || *at != some.indexes[i]) return 1;
    differing +=
        std::popcount(some.items[i] ^ all.items[static_cast<size_t>(at - all.indexes.begin())]);
  }
  return differing / (32.0 * static_cast<double>(some.items.size()));
}

TEST_P(Coverage, HasTheItemsOfTheStretchesThatItDecodes) {
  const Bytes bytes =
      read_file(encode(make_music(kSeconds, 1), GetParam().arguments, GetParam().name));
  const Heard all = hear(bytes, {});
  const Heard some = hear(bytes, kQuarter);
  EXPECT_EQ(all.end.skipped_seconds, 0);
  EXPECT_EQ(some.end.outcome, DecodeOutcome::decoded) << name(some.end.outcome);
  EXPECT_NEAR(some.end.duration_seconds, all.end.duration_seconds, 0.2);
  EXPECT_NEAR(some.end.decoded_seconds, 30, 1);  // three stretches of 10 s
  EXPECT_NEAR(some.end.skipped_seconds, kSeconds - 30, 1);
  EXPECT_EQ(some.end.gap_seconds, 0);

  ASSERT_FALSE(some.items.empty());
  std::vector<int> per_period(3);
  for (const uint32_t index : some.indexes) {
    const double begin = index * kItemSeconds;
    EXPECT_LE(std::fmod(begin + kItemSpanSeconds, kQuarter.period_seconds), 10.5) << begin;
    ++per_period.at(static_cast<size_t>(begin / kQuarter.period_seconds));
  }
  const int expected = static_cast<int>((10 - kItemSpanSeconds) / kItemSeconds);
  EXPECT_THAT(per_period, testing::Each(testing::Ge(expected - 3)));
  EXPECT_LE(differing_bits(some, all), GetParam().differing_bits_max);
  for (const auto& [view, items] : some.bands) {
    EXPECT_LE(differing_bits(items, all.bands.at(view)), GetParam().differing_bits_max) << view;
  }
}

INSTANTIATE_TEST_SUITE_P(Formats, Coverage, testing::ValuesIn(kFormats));

using CoverageOfOne = Coverage;

TEST_P(CoverageOfOne, IsWholeFromWhereACloserLookIsAskedFor) {
  const Bytes bytes =
      read_file(encode(make_music(kSeconds, 1), GetParam().arguments, GetParam().name));
  const Heard all = hear(bytes, {});
  pool_->set_coverage(kQuarter);
  constexpr uint64_t kTag = 77;
  StreamProducer& producer = pool_->producer(0);
  const auto stream = producer.begin(kTag, static_cast<int64_t>(bytes.size())).value();
  const auto half = std::span(bytes).first(bytes.size() / 2);  // 47 s: in the second stretch
  ASSERT_EQ(producer.append(stream, half), StreamProducer::Append::kTaken);
  ASSERT_TRUE(recorder_.wait_for_items(kTag, 80));
  pool_->look_closer(kTag + 1);  // of another stream
  pool_->look_closer(kTag);
  ASSERT_TRUE(feed_whole(producer, stream, std::span(bytes).subspan(half.size())));
  const auto heard = recorder_.wait_for_end(kTag);
  ASSERT_TRUE(heard);
  EXPECT_NEAR(heard->end.skipped_seconds, 30, 1);  // of the first period
  EXPECT_EQ(heard->indexes.back(), all.indexes.back());
  EXPECT_LE(differing_bits(*heard, all), 0.001);
  EXPECT_EQ(hear(bytes, kQuarter).end.skipped_seconds > 50, true);  // of the next stream
}

TEST_P(CoverageOfOne, IsWholeWhereOnlyTheFingerprintIsWanted) {
  const Bytes bytes =
      read_file(encode(make_music(kSeconds, 1), GetParam().arguments, GetParam().name));
  pool_->set_coverage(kQuarter);
  const auto stream =
      pool_->producer(0).begin_unprobed(5, static_cast<int64_t>(bytes.size())).value();
  ASSERT_TRUE(feed_whole(pool_->producer(0), stream, bytes));
  EXPECT_EQ(recorder_.wait_for_end(5)->end.skipped_seconds, 0);
}

INSTANTIATE_TEST_SUITE_P(Mp3, CoverageOfOne, testing::Values(kFormats[0]));

}  // namespace
}  // namespace soundgate::test
