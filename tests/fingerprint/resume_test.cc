// A worker dies when the first part of what it had read is gone: its successor goes on after the
// gap, with the items an undisturbed stream would have had there.

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>

#include <algorithm>
#include <bit>
#include <thread>

#include "tests/fingerprint/test_audio.h"

namespace soundgate::test {
namespace {

struct Format {
  const char* name;
  const char* arguments;
  bool has_timestamps;  // or else the place after the gap is reckoned
};

constexpr Format kFormats[] = {
    {"a.wav", "-c:a pcm_s24le", true},
    {"a.flac", "-c:a flac", false},
    {"first.m4a", "-c:a aac -b:a 320k -movflags +faststart", true},
    {"a.ogg", "-c:a libvorbis -b:a 320k", true},
    {"a.webm", "-c:a libopus -b:a 400k", true},
    {"a.mp3", "-c:a libmp3lame -b:a 320k", false},
    {"a.aac", "-c:a aac -b:a 320k", false},
    {"a.wma", "-c:a wmav2 -b:a 320k", true},
    {"a.ts", "-c:a aac -b:a 320k", true},
};
void PrintTo(const Format& format, std::ostream* out) { *out << format.name; }

constexpr double kSeconds = 70;
constexpr size_t kPayloadBytes = size_t{1} << 20;

void append_waiting(StreamProducer& producer, StreamHandle stream,
                    std::span<const std::byte> bytes) {
  while (!bytes.empty()) {
    const auto piece = bytes.first(std::min<size_t>(30'000, bytes.size()));
    if (producer.append(stream, piece) == StreamProducer::Append::kTaken) {
      bytes = bytes.subspan(piece.size());
    } else {
      std::this_thread::sleep_for(std::chrono::milliseconds(1));
    }
  }
}

class Resume : public testing::TestWithParam<Format> {};

// The share of bits that differ, with the items after the gap moved by `shift`.
double differing_after_gap(const Heard& heard, const std::vector<Item>& expected, int shift) {
  size_t bits = 0;
  size_t count = 0;
  for (size_t i = 0; i < heard.items.size(); ++i) {
    const auto at = static_cast<int64_t>(heard.indexes[i]) + (heard.indexes[i] > i ? shift : 0);
    if (at < 0 || at >= std::ssize(expected)) continue;
    bits += static_cast<size_t>(std::popcount(heard.items[i] ^ expected[static_cast<size_t>(at)]));
    ++count;
  }
  return static_cast<double>(bits) / (32.0 * static_cast<double>(std::max<size_t>(count, 1)));
}

TEST_P(Resume, GoesOnAfterTheGap) {
  PoolRecorder recorder;
  DecoderPool::Options options;
  options.worker_path = SOUNDGATE_DECODER;
  options.worker_count = 1;
  const Bytes bytes =
      read_file(encode(make_music(kSeconds, 30), GetParam().arguments, GetParam().name));
  ASSERT_GT(bytes.size(), 2 * kPayloadBytes);
  std::vector<Item> expected;
  {
    const auto pool = DecoderPool::start(options, recorder).value();
    expected = decode(*pool, recorder, bytes)->items;
  }

  options.payload_bytes_per_worker = kPayloadBytes;
  const auto pool = DecoderPool::start(options, recorder).value();
  const StreamHandle stream = pool->producer(0).begin(1, std::ssize(bytes)).value();
  const size_t sent = bytes.size() / 3 * 2;
  append_waiting(pool->producer(0), stream, std::span(bytes).first(sent));
  std::this_thread::sleep_for(std::chrono::milliseconds(300));  // it has read all there is
  ASSERT_EQ(::kill(pool->status().workers[0].pid, SIGKILL), 0);
  std::this_thread::sleep_for(std::chrono::milliseconds(100));
  ASSERT_TRUE(feed_whole(pool->producer(0), stream, std::span(bytes).subspan(sent)));

  const auto heard = recorder.wait_for_end(1);
  ASSERT_TRUE(heard);
  EXPECT_EQ(heard->end.outcome, DecodeOutcome::decoded) << name(heard->end.outcome);
  EXPECT_EQ(pool->status().resumed, 1u);
  EXPECT_NEAR(heard->end.decoded_seconds + heard->end.gap_seconds, kSeconds, 4);
  EXPECT_TRUE(std::ranges::is_sorted(heard->indexes));
  EXPECT_GT(heard->items.size() * 10, expected.size() * 8);
  double best = 1;
  const int shift_max = GetParam().has_timestamps ? 0 : 40;
  for (int shift = -shift_max; shift <= shift_max; ++shift) {
    best = std::min(best, differing_after_gap(*heard, expected, shift));
  }
  EXPECT_LT(best, GetParam().has_timestamps ? 0.01 : 0.2);
}

// So near to the end that no item follows the gap.
TEST(ResumeAtTheEnd, TheGapIsCountedAllTheSame) {
  PoolRecorder recorder;
  DecoderPool::Options options;
  options.worker_path = SOUNDGATE_DECODER;
  options.worker_count = 1;
  options.payload_bytes_per_worker = kPayloadBytes;
  const auto pool = DecoderPool::start(options, recorder).value();
  const Bytes bytes =
      read_file(encode(make_music(20, 31), "-c:a pcm_f32le -ar 96000", "large.wav"));
  const StreamHandle stream = pool->producer(0).begin(1, std::ssize(bytes)).value();
  const size_t sent = bytes.size() - 100'000;
  append_waiting(pool->producer(0), stream, std::span(bytes).first(sent));
  std::this_thread::sleep_for(std::chrono::milliseconds(300));  // it has read all there is
  ASSERT_EQ(::kill(pool->status().workers[0].pid, SIGKILL), 0);
  std::this_thread::sleep_for(std::chrono::milliseconds(100));
  ASSERT_TRUE(feed_whole(pool->producer(0), stream, std::span(bytes).subspan(sent)));

  const auto heard = recorder.wait_for_end(1);
  ASSERT_TRUE(heard);
  EXPECT_FALSE(heard->has_gap);  // in the items
  EXPECT_GT(heard->end.gap_seconds, 0.5);
  EXPECT_NEAR(heard->end.decoded_seconds + heard->end.gap_seconds, 20, 0.5);
}

INSTANTIATE_TEST_SUITE_P(Formats, Resume, testing::ValuesIn(kFormats));

}  // namespace
}  // namespace soundgate::test
