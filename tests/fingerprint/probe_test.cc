// Probes through real workers: what a listener hears of uploads at other speeds, and of whom.

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>

#include <algorithm>
#include <string>
#include <thread>

#include "tests/fingerprint/test_audio.h"

namespace soundgate::test {
namespace {

using testing::IsEmpty;

constexpr double kSeconds = 50;  // the first stretch ends before that

class Probes : public testing::Test {
 protected:
  void start(size_t payload_bytes = size_t{64} << 20) {
    DecoderPool::Options options;
    options.worker_path = SOUNDGATE_DECODER;
    options.worker_count = 1;
    options.payload_bytes_per_worker = payload_bytes;
    pool_ = DecoderPool::start(options, recorder_).value();
  }
  Heard hear(const Bytes& bytes) { return decode(*pool_, recorder_, bytes).value(); }

  PoolRecorder recorder_;
  std::unique_ptr<DecoderPool> pool_;
  const std::filesystem::path music_ = make_music(kSeconds, 40);
};

Bytes at_speed(const std::filesystem::path& music, double speed, const std::string& name) {
  const int rate_hz = static_cast<int>(std::lround(44100 * speed));
  return read_file(encode(
      music,
      "-af asetrate=" + std::to_string(rate_hz) + ",aresample=44100 -c:a libmp3lame -b:a 128k",
      name));
}

TEST_F(Probes, FindTheItemsOfTheOriginalSpeed) {
  start();
  const Heard whole = hear(read_file(music_));
  pool_->set_probes({.step_max = 10});
  for (const int step : {-9, -2, 1, 6}) {
    const std::string name = "step" + std::to_string(step) + ".mp3";
    const Heard heard = hear(at_speed(music_, probe_speed(step), name));
    EXPECT_EQ(heard.end.outcome, DecodeOutcome::decoded);
    EXPECT_EQ(heard.probes.size(), 20 * kProbedBands.size());
    EXPECT_GT(differing_bits(heard.items, whole.items), 0.2) << step;
    for (const Band band : kProbedBands) {
      const HeardItems& probed = heard.probes.at(view_of(step, band));
      const std::vector<Item>& reference =
          band == Band::kFull ? whole.items : whole.bands.at(view_of(band)).items;
      EXPECT_EQ(probed.indexes.front(), 0u);
      EXPECT_EQ(probed.indexes.back() + 1, probed.indexes.size());
      EXPECT_LT(differing_bits(probed.items, reference), 0.05) << step;
    }
  }
}

TEST_F(Probes, AreForStreamsThatBeginAfterwards) {
  start();
  const Bytes bytes = read_file(music_);
  const StreamHandle before = pool_->producer(0).begin(1, -1).value();
  pool_->set_probes({.step_max = 2});
  const StreamHandle after = pool_->producer(0).begin(2, -1).value();
  pool_->set_probes({});
  ASSERT_TRUE(feed_whole(pool_->producer(0), before, bytes));
  ASSERT_TRUE(feed_whole(pool_->producer(0), after, bytes));
  EXPECT_THAT(recorder_.wait_for_end(1)->probes, IsEmpty());
  const Heard heard = recorder_.wait_for_end(2).value();
  EXPECT_EQ(heard.probes.size(), 4 * kProbedBands.size());
  EXPECT_EQ(heard.items, recorder_.heard(1).items);
  EXPECT_THAT(hear(bytes).probes, IsEmpty());
  size_t probe_items = 0;
  for (const auto& [view, probed] : heard.probes) probe_items += probed.items.size();
  EXPECT_EQ(pool_->status().probe_items, probe_items);
}

TEST_F(Probes, DoNotDependOnHowTheBytesCome) {
  start();
  pool_->set_probes({.step_max = 2});
  const Bytes bytes = read_file(encode(music_, "-c:a libmp3lame -b:a 128k", "a.mp3"));
  const auto expected = hear(bytes).probes;
  const StreamHandle stream = pool_->producer(0).begin(1, -1).value();
  ASSERT_TRUE(feed_whole(pool_->producer(0), stream, bytes, 997));
  EXPECT_EQ(recorder_.wait_for_end(1)->probes, expected);
}

// 2 of 3 bytes have been appended when the worker dies.
Heard hear_resumed(DecoderPool& pool, PoolRecorder& recorder, const Bytes& bytes) {
  const StreamHandle stream = pool.producer(0).begin(1, std::ssize(bytes)).value();
  std::span<const std::byte> rest = std::span(bytes);
  while (rest.size() > bytes.size() / 3) {
    const auto piece = rest.first(std::min<size_t>(30'000, rest.size()));
    if (pool.producer(0).append(stream, piece) == StreamProducer::Append::kTaken) {
      rest = rest.subspan(piece.size());
    } else {
      std::this_thread::sleep_for(std::chrono::milliseconds(1));
    }
  }
  EXPECT_TRUE(recorder.wait_for_items(1, 100));
  std::this_thread::sleep_for(std::chrono::milliseconds(300));  // it has read all there is
  EXPECT_EQ(::kill(pool.status().workers[0].pid, SIGKILL), 0);
  EXPECT_TRUE(feed_whole(pool.producer(0), stream, rest));
  const auto heard = recorder.wait_for_end(1);
  EXPECT_EQ(pool.status().resumed, 1u);
  return heard.value();
}

TEST_F(Probes, AreHeardOnceWhenAWorkerDies) {
  start();
  pool_->set_probes({.step_max = 2});
  const Bytes bytes = read_file(encode(music_, "-c:a libmp3lame -b:a 128k", "a.mp3"));
  const Heard expected = hear(bytes);
  const Heard heard = hear_resumed(*pool_, recorder_, bytes);
  EXPECT_EQ(heard.items, expected.items);
  EXPECT_EQ(heard.probes, expected.probes);
}

TEST_F(Probes, GoOnAfterTheGapOfAResumedStream) {
  start(size_t{1} << 20);
  pool_->set_probes({.step_max = 1, .cpu_share = ProbeSettings::kCpuShareMax});
  const Bytes bytes = read_file(encode(music_, "-c:a pcm_s24le", "a.wav"));
  const Heard expected = hear(bytes);
  const Heard heard = hear_resumed(*pool_, recorder_, bytes);
  EXPECT_TRUE(heard.has_gap);
  EXPECT_GT(heard.end.gap_seconds, 0.1);
  for (const int step : {-1, 1}) {
    const HeardItems& probed = heard.probes.at(step);
    EXPECT_TRUE(std::ranges::is_sorted(probed.indexes));
    EXPECT_GT(probed.indexes.back() + 1, probed.indexes.size());  // there is a gap
    std::vector<Item> there;
    for (const uint32_t index : probed.indexes) {
      there.push_back(expected.probes.at(step).items.at(index));
    }
    EXPECT_LT(differing_bits(probed.items, there), 0.01);
  }
}

}  // namespace
}  // namespace soundgate::test
