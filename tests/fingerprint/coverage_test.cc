// Sparse coverage: of each period a share is decoded, and what is decoded has the items that the
// whole would have had.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <bit>
#include <cmath>
#include <csignal>
#include <functional>
#include <thread>
#include <utility>

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
    {"a.ts", "-c:a aac -b:a 128k"},                 // of some packets
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

class CoverageOfOne : public Coverage {
 protected:
  // Asked for after 47 s, in the second stretch.
  Heard look_closer_half_way(
      const Bytes& bytes, const std::function<void()>& then = [] {}) {
    pool_->set_coverage(kQuarter);
    const uint64_t tag = next_tag_ += 2;
    StreamProducer& producer = pool_->producer(0);
    const auto stream = producer.begin(tag, static_cast<int64_t>(bytes.size())).value();
    const auto [half, rest] = halves(bytes);
    EXPECT_TRUE(append_whole(producer, stream, half));
    EXPECT_TRUE(recorder_.wait_for_items(tag, 80));
    pool_->look_closer(tag + 1);  // of another stream
    pool_->look_closer(tag);
    then();
    EXPECT_TRUE(feed_whole(producer, stream, rest));
    const auto heard = recorder_.wait_for_end(tag);
    EXPECT_TRUE(heard);
    return heard.value_or(Heard{});
  }

 private:
  static std::pair<std::span<const std::byte>, std::span<const std::byte>> halves(
      const Bytes& bytes) {
    const auto all = std::span(bytes);
    return {all.first(bytes.size() / 2), all.subspan(bytes.size() / 2)};
  }

  uint64_t next_tag_ = 77;
};

TEST_P(CoverageOfOne, BeginsAgainWhereACloserLookIsAskedFor) {
  const Bytes bytes =
      read_file(encode(make_music(kSeconds, 1), GetParam().arguments, GetParam().name));
  const Heard all = hear(bytes, {});
  const Heard closer = look_closer_half_way(bytes);
  EXPECT_EQ(closer.agains, 1);
  EXPECT_EQ(closer.end.skipped_seconds, 0);
  EXPECT_EQ(closer.end.gap_seconds, 0);
  EXPECT_EQ(closer.end.decoded_seconds, all.end.decoded_seconds);
  EXPECT_EQ(closer.items, all.items);
  EXPECT_EQ(closer.indexes, all.indexes);
  EXPECT_EQ(closer.bands, all.bands);
  const Heard next = hear(bytes, kQuarter);
  EXPECT_GT(next.end.skipped_seconds, 50);
  EXPECT_EQ(next.agains, 0);
}

TEST_P(CoverageOfOne, BeginsAgainWithItsProbes) {
  const Bytes bytes =
      read_file(encode(make_music(kSeconds, 1), GetParam().arguments, GetParam().name));
  pool_->set_probes({.step_max = 1});
  const Heard all = hear(bytes, {});
  EXPECT_EQ(look_closer_half_way(bytes).probes, all.probes);
}

// A worker that dies after it was asked: the next one skips nothing, and is heard from the begin.
// (Where it dies at work on the stream, that is to blame.)
TEST_P(CoverageOfOne, BeginsAgainInAnotherWorker) {
  const Bytes bytes =
      read_file(encode(make_music(kSeconds, 1), GetParam().arguments, GetParam().name));
  const Heard all = hear(bytes, {});
  Heard closer;
  for (int tries = 0; tries < 5; ++tries) {
    closer = look_closer_half_way(bytes, [&] {
      std::this_thread::sleep_for(std::chrono::milliseconds(100));  // it has read all there is
      ::kill(pool_->status().workers[0].pid, SIGKILL);
    });
    if (closer.end.outcome != DecodeOutcome::decoder_crash) break;
  }
  EXPECT_EQ(closer.agains, 1);
  EXPECT_EQ(closer.items, all.items);
  EXPECT_EQ(closer.end.skipped_seconds, 0);
  EXPECT_EQ(closer.end.gap_seconds, 0);
}

// What it skipped is gone: from there on it is whole.
TEST_P(CoverageOfOne, IsWholeFromThereWhereTheBeginIsGone) {
  DecoderPool::Options options;
  options.worker_path = SOUNDGATE_DECODER;
  options.worker_count = 1;
  options.payload_bytes_per_worker = 1 << 20;
  pool_ = DecoderPool::start(options, recorder_).value();
  const Bytes bytes = read_file(encode(make_music(kSeconds, 1), "-c:a pcm_s16le", "long.wav"));
  const Heard all = hear(bytes, {});
  const Heard closer = look_closer_half_way(bytes);
  EXPECT_EQ(closer.agains, 0);
  EXPECT_NEAR(closer.end.skipped_seconds, 30, 1);  // of the first period
  EXPECT_EQ(closer.indexes.back(), all.indexes.back());
  EXPECT_LE(differing_bits(closer, all), 0.001);
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
