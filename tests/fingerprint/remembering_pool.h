// What tests of known uploads share: a pool that remembers, and what it is to be heard like.
#pragma once

#include <gtest/gtest.h>

#include <functional>
#include <memory>
#include <thread>

#include "tests/fingerprint/test_audio.h"

namespace soundgate::test {

inline constexpr size_t kPieceBytes = 1460;

inline DecoderPool::Options options_for(int worker_count) {
  DecoderPool::Options options;
  options.worker_path = SOUNDGATE_DECODER;
  options.worker_count = worker_count;
  options.payload_bytes_per_worker = size_t{64} << 20;
  options.known_bytes_max = size_t{16} << 20;
  return options;
}

inline bool eventually(const std::function<bool()>& condition) {
  for (int tries = 0; tries < 2000; ++tries) {
    if (condition()) return true;
    std::this_thread::sleep_for(std::chrono::milliseconds(5));
  }
  return false;
}

class RememberingPool : public testing::Test {
 protected:
  void start(const DecoderPool::Options& options) {
    auto started = DecoderPool::start(options, recorder_);
    ASSERT_TRUE(started) << started.error();
    pool_ = std::move(*started);
  }
  StreamProducer& producer() { return pool_->producer(0); }
  StreamHandle begin(uint64_t tag, int64_t size_bytes = -1) {
    return producer().begin(tag, size_bytes).value();
  }
  Heard decode(std::span<const std::byte> bytes, int64_t size_bytes = -1,
               size_t piece_bytes = kPieceBytes) {
    const uint64_t tag = next_tag_++;
    EXPECT_TRUE(feed_whole(producer(), begin(tag, size_bytes), bytes, piece_bytes));
    return recorder_.wait_for_end(tag).value();
  }
  // As a pool hears it that remembers nothing.
  Heard decode_undisturbed(std::span<const std::byte> bytes) {
    PoolRecorder recorder;
    auto options = options_for(1);
    options.known_bytes_max = 0;
    const auto pool = DecoderPool::start(options, recorder).value();
    EXPECT_TRUE(feed_whole(pool->producer(0), pool->producer(0).begin(1, -1).value(), bytes));
    return recorder.wait_for_end(1).value();
  }
  static void expect_same(const Heard& heard, const Heard& expected) {
    EXPECT_EQ(heard.ends, 1);
    EXPECT_EQ(heard.end.outcome, expected.end.outcome) << name(heard.end.outcome);
    EXPECT_FALSE(heard.has_gap);
    EXPECT_EQ(heard.items, expected.items);
    EXPECT_EQ(heard.bands, expected.bands);
    EXPECT_EQ(heard.probes, expected.probes);
    EXPECT_EQ(heard.end.decoded_seconds, expected.end.decoded_seconds);
    EXPECT_EQ(heard.end.duration_seconds, expected.end.duration_seconds);
    EXPECT_STREQ(heard.end.format, expected.end.format);
    EXPECT_STREQ(heard.end.codec, expected.end.codec);
  }

  PoolRecorder recorder_;
  std::unique_ptr<DecoderPool> pool_;
  uint64_t next_tag_ = 100;
};

}  // namespace soundgate::test
