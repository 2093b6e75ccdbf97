// Uploads that come faster than they are decoded: several workers share one, and the listener hears
// what it would have heard of one worker.

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>

#include <algorithm>
#include <bit>
#include <thread>

#include "tests/fingerprint/test_audio.h"

namespace soundgate::test {
namespace {

constexpr double kSeconds = 130;  // three turns

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
    {"last.m4a", "-c:a aac"},
    {"fragmented.m4a", "-c:a aac -movflags frag_keyframe+empty_moov -frag_duration 1000000"},
    {"alac.m4a", "-c:a alac -movflags +faststart"},
    {"16.flac", "-c:a flac"},
    {"48k.flac", "-c:a flac -ar 48000"},
    {"16.wav", "-c:a pcm_s16le"},
    {"16.aiff", "-c:a pcm_s16be"},
    // Their times are whole milliseconds.
    {"opus.webm", "-c:a libopus -b:a 96k", 0.005},
    {"a.mkv", "-c:a ac3 -b:a 192k", 0.005},
    {"a.wma", "-c:a wmav2 -b:a 128k", 0.005},
};

constexpr Format kMp3 = kFormats[0];

class Bursts : public testing::Test {
 protected:
  static DecoderPool::Options options(int workers) {
    DecoderPool::Options options;
    options.worker_path = SOUNDGATE_DECODER;
    options.worker_count = workers;
    options.burst_bytes = size_t{64} << 10;  // low bit rates have few bytes
    return options;
  }
  void start(const DecoderPool::Options& options) {
    pool_ = DecoderPool::start(options, recorder_).value();
  }
  // All at once: the workers are stopped meanwhile.
  StreamHandle begin(std::span<const std::byte> bytes, uint64_t tag) {
    StreamProducer& producer = pool_->producer(0);
    const auto stream = producer.begin(tag, static_cast<int64_t>(bytes.size())).value();
    signal_workers(SIGSTOP);
    while (!bytes.empty()) {
      const auto piece = bytes.first(std::min<size_t>(bytes.size(), 65535));
      EXPECT_EQ(producer.append(stream, piece), StreamProducer::Append::kTaken);
      bytes = bytes.subspan(piece.size());
    }
    signal_workers(SIGCONT);
    return stream;
  }
  void signal_workers(int signal) {
    for (const auto& worker : pool_->status().workers) ::kill(worker.pid, signal);
  }
  std::optional<Heard> hear(std::span<const std::byte> bytes) {
    const uint64_t tag = ++last_tag_;
    pool_->producer(0).finish(begin(bytes, tag));
    return recorder_.wait_for_end(tag);
  }

  PoolRecorder recorder_;
  std::unique_ptr<DecoderPool> pool_;
  uint64_t last_tag_ = 0;
};

// Of one worker, what others are compared with.
Heard hear_of_one(std::span<const std::byte> bytes) {
  PoolRecorder recorder;
  DecoderPool::Options options;
  options.worker_path = SOUNDGATE_DECODER;
  options.worker_count = 1;
  const auto pool = DecoderPool::start(options, recorder).value();
  return decode(*pool, recorder, bytes).value();
}

Bytes music(const Format& format) {
  return read_file(encode(make_music(kSeconds, 1), format.arguments, format.name));
}

// Where places are not exact the last item may need a sample more than there is.
void expect_same_indexes(const HeardItems& divided, const HeardItems& whole,
                         double differing_bits_max) {
  const double count_differs_max = differing_bits_max > kMp3.differing_bits_max ? 1 : 0;
  EXPECT_NEAR(static_cast<double>(divided.indexes.size()),
              static_cast<double>(whole.indexes.size()), count_differs_max);
  const size_t both = std::min(divided.indexes.size(), whole.indexes.size());
  EXPECT_TRUE(std::equal(divided.indexes.begin(),
                         divided.indexes.begin() + static_cast<ptrdiff_t>(both),
                         whole.indexes.begin()));
}

void expect_same(const Heard& divided, const Heard& whole, double differing_bits_max) {
  EXPECT_EQ(divided.ends, 1);
  EXPECT_EQ(divided.end.outcome, whole.end.outcome) << name(divided.end.outcome);
  EXPECT_NEAR(divided.end.duration_seconds, whole.end.duration_seconds, 0.1);
  EXPECT_NEAR(divided.end.decoded_seconds, whole.end.decoded_seconds, 0.1);
  EXPECT_EQ(divided.end.skipped_seconds, 0);
  EXPECT_EQ(divided.end.gap_seconds, whole.end.gap_seconds);
  EXPECT_STREQ(divided.end.format, whole.end.format);
  EXPECT_STREQ(divided.end.codec, whole.end.codec);
  expect_same_indexes(divided, whole, differing_bits_max);
  EXPECT_LE(differing_bits(divided.items, whole.items), differing_bits_max);
  for (const auto& [view, items] : whole.bands) {
    expect_same_indexes(divided.bands.at(view), items, differing_bits_max);
    EXPECT_LE(differing_bits(divided.bands.at(view).items, items.items), differing_bits_max);
  }
}

class BurstsOf : public Bursts, public testing::WithParamInterface<Format> {};

TEST_P(BurstsOf, HaveTheItemsThatOneWorkerGives) {
  const Bytes bytes = music(GetParam());
  start(options(2));
  const auto divided = hear(bytes);
  ASSERT_TRUE(divided);
  EXPECT_EQ(pool_->status().divided, 1u);
  EXPECT_EQ(pool_->status().streams_ended, 1u);
  expect_same(*divided, hear_of_one(bytes), GetParam().differing_bits_max);
}

INSTANTIATE_TEST_SUITE_P(Formats, BurstsOf, testing::ValuesIn(kFormats));

// Several files of these may lie one behind the other, each with times of its own.
TEST_F(Bursts, AreOfOneWorkerWhereTimesMayBeginAnew) {
  start(options(2));
  const Format formats[] = {{"vorbis.ogg", "-c:a libvorbis"},
                            {"96k.opus", "-c:a libopus -b:a 96k"},
                            {"a.ts", "-c:a aac -b:a 128k"}};
  for (const Format& format : formats) {
    Bytes bytes = music(format);
    const Bytes again = bytes;
    bytes.insert(bytes.end(), again.begin(), again.end());
    EXPECT_EQ(hear(bytes).value().items, hear_of_one(bytes).items) << format.name;
  }
  EXPECT_EQ(pool_->status().divided, 0u);
}

// What says that it plays twice as fast would leave half of it to nobody.
TEST_F(Bursts, OfFalseTimesAreNotWhole) {
  const auto mp3 = encode(make_music(kSeconds, 1), kMp3.arguments, kMp3.name).string();
  for (const char* scale : {"0.5", "2"}) {
    const Bytes bytes = read_file(
        run_ffmpeg(std::string("-itsscale ") + scale + " -i " + mp3 + " -c copy -flags +bitexact",
                   std::string("x") + scale + ".mka"));
    start(options(2));
    const Heard heard = hear(bytes).value();
    EXPECT_EQ(pool_->status().divided, 1u);
    EXPECT_EQ(heard.end.outcome, DecodeOutcome::damaged) << scale << name(heard.end.outcome);
  }
}

TEST_F(Bursts, AreSharedByThreeWhereThreeAreFree) {
  const Bytes bytes = music(kMp3);
  start(options(3));
  expect_same(hear(bytes).value(), hear_of_one(bytes), kMp3.differing_bits_max);
}

TEST_F(Bursts, AreSharedHoweverManyCome) {
  const Bytes bytes = music(kFormats[1]);
  start(options(2));
  for (uint64_t count = 1; count <= 20; ++count) {
    ASSERT_TRUE(hear(bytes));
    EXPECT_EQ(pool_->status().divided, count);
  }
}

// Behind the joint times and samples are counted differently: items lie a hundredth of a second
// off.
TEST_F(Bursts, OfJoinedFiles) {
  Bytes bytes = music(kMp3);
  const Bytes second = music(kFormats[1]);  // of another rate
  bytes.insert(bytes.end(), second.begin(), second.end());
  start(options(2));
  const auto divided = hear(bytes);
  ASSERT_TRUE(divided);
  expect_same(*divided, hear_of_one(bytes), 0.03);
}

// The bytes that come later reach every worker, too.
TEST_F(Bursts, GoOnSlowly) {
  const Bytes bytes = music(kMp3);
  start(options(2));
  const auto all = std::span<const std::byte>(bytes);
  const StreamHandle stream = begin(all.first(bytes.size() / 4), 1);
  EXPECT_EQ(pool_->status().divided, 1u);
  ASSERT_TRUE(feed_whole(pool_->producer(0), stream, all.subspan(bytes.size() / 4), 1460));
  const auto heard = recorder_.wait_for_end(1);
  ASSERT_TRUE(heard);
  expect_same(*heard, hear_of_one(bytes), kMp3.differing_bits_max);
}

// What one worker has told already is not told again.
TEST_F(Bursts, BeginInTheMiddle) {
  const Bytes bytes = music(kMp3);
  DecoderPool::Options patient = options(2);
  patient.burst_bytes = size_t{512} << 10;
  start(patient);
  StreamProducer& producer = pool_->producer(0);
  const auto stream = producer.begin(1, static_cast<int64_t>(bytes.size())).value();
  auto rest = std::span<const std::byte>(bytes);
  for (size_t seconds = 1; seconds <= 80; ++seconds) {
    ASSERT_EQ(producer.append(stream, rest.first(16'000)), StreamProducer::Append::kTaken);
    rest = rest.subspan(16'000);
    ASSERT_TRUE(recorder_.wait_for_items(1, seconds < 12 ? 0 : (seconds - 12) * 8));
  }
  EXPECT_EQ(pool_->status().divided, 0u);
  signal_workers(SIGSTOP);
  while (!rest.empty()) {
    const auto piece = rest.first(std::min<size_t>(rest.size(), 65535));
    ASSERT_EQ(producer.append(stream, piece), StreamProducer::Append::kTaken);
    rest = rest.subspan(piece.size());
  }
  producer.finish(stream);
  signal_workers(SIGCONT);
  const auto heard = recorder_.wait_for_end(1);
  ASSERT_TRUE(heard);
  EXPECT_EQ(pool_->status().divided, 1u);
  expect_same(*heard, hear_of_one(bytes), kMp3.differing_bits_max);
}

// Whichever worker dies: another one does its part.
TEST_F(Bursts, OutliveAWorker) {
  const Bytes bytes = music(kMp3);
  const Heard whole = hear_of_one(bytes);
  for (const size_t victim : {0, 1}) {
    SCOPED_TRACE(victim);
    start(options(2));
    const StreamHandle stream = begin(bytes, 1);
    signal_workers(SIGSTOP);
    ::kill(pool_->status().workers[victim].pid, SIGKILL);
    signal_workers(SIGCONT);
    pool_->producer(0).finish(stream);
    const auto heard = recorder_.wait_for_end(1);
    ASSERT_TRUE(heard);
    if (heard->end.outcome == DecodeOutcome::decoded) {
      expect_same(*heard, whole, kMp3.differing_bits_max);
    } else {  // it was at work on it
      EXPECT_EQ(heard->end.outcome, DecodeOutcome::decoder_crash);
      EXPECT_EQ(heard->ends, 1);
    }
  }
}

TEST_F(Bursts, AreCancelledEverywhere) {
  const Bytes bytes = music(kMp3);
  start(options(2));
  constexpr uint64_t kTag = 100;
  pool_->producer(0).cancel(begin(bytes, kTag));
  ASSERT_TRUE(hear(bytes));  // and there is room for the next one
  const auto streams = [&] {
    int all = 0;
    for (const auto& worker : pool_->status().workers) all += worker.streams;
    return all;
  };
  for (int i = 0; i < 500 && streams() > 0; ++i) {
    std::this_thread::sleep_for(std::chrono::milliseconds(10));
  }
  EXPECT_EQ(streams(), 0);
  EXPECT_EQ(recorder_.heard(kTag).ends, 0);
}

TEST_F(Bursts, AreOfOneWorkerWhereTheOthersAreBusy) {
  const Bytes bytes = music(kMp3);
  DecoderPool::Options patient = options(2);
  patient.burst_bytes = size_t{1} << 20;
  start(patient);
  StreamProducer& producer = pool_->producer(0);
  std::vector<StreamHandle> streams;
  signal_workers(SIGSTOP);
  for (uint64_t tag = 1; tag <= 3; ++tag) {  // each worker has one, then one has two
    streams.push_back(producer.begin(tag, static_cast<int64_t>(bytes.size())).value());
  }
  const std::span piece(bytes.data(), 60'000);
  for (int round = 0; round < 20; ++round) {
    for (const StreamHandle stream : streams) producer.append(stream, piece);
  }
  EXPECT_EQ(pool_->status().divided, 0u);
  signal_workers(SIGCONT);
  for (const StreamHandle stream : streams) producer.cancel(stream);
}

TEST_F(Bursts, AreOfOneWorkerWhereThatIsAskedFor) {
  const Bytes bytes = music(kMp3);
  const Heard whole = hear_of_one(bytes);
  DecoderPool::Options undivided = options(2);
  undivided.burst_bytes = 0;
  start(undivided);
  EXPECT_EQ(hear(bytes).value().items, whole.items);
  EXPECT_EQ(pool_->status().divided, 0u);

  start(options(2));
  pool_->set_probes({.step_max = 1, .cpu_share = 1});
  EXPECT_EQ(hear(bytes).value().items, whole.items);
  pool_->set_probes({});
  pool_->set_coverage({.share = 0.5, .period_seconds = 20});
  EXPECT_GT(hear(bytes).value().end.skipped_seconds, 50);
  EXPECT_EQ(pool_->status().divided, 0u);
}

// Only what one worker made is remembered: the second time one does.
TEST_F(Bursts, AreKnownTheThirdTime) {
  const Bytes bytes = music(kMp3);
  DecoderPool::Options remembering = options(2);
  remembering.known_bytes_max = size_t{64} << 20;
  start(remembering);
  EXPECT_FALSE(hear(bytes).value().end.exact);
  EXPECT_EQ(pool_->status().divided, 1u);
  EXPECT_FALSE(hear(bytes).value().end.exact);
  EXPECT_EQ(pool_->status().divided, 1u);
  EXPECT_TRUE(hear(bytes).value().end.exact);
  EXPECT_EQ(pool_->status().contradicted, 0u);
}

// Files that are not what they seem end as they do of one worker.
TEST_F(Bursts, EndAsOneWorkerEndsThem) {
  const Bytes whole = music(kMp3);
  Bytes noise(whole.size());
  for (size_t i = 0; i < noise.size(); ++i) noise[i] = std::byte(i * 2654435761u >> 13);
  Bytes damaged = whole;
  for (size_t i = 0; i < 40; ++i) {  // in either half
    std::fill_n(damaged.begin() + static_cast<ptrdiff_t>(damaged.size() / 50 * (i + 5)), 3000,
                std::byte{0x55});
  }
  Bytes short_one(whole.begin(), whole.begin() + 300'000);  // one turn
  start(options(2));
  for (const Bytes& bytes : {noise, damaged, short_one}) {
    const Heard one = hear_of_one(bytes);
    const auto divided = hear(bytes);
    ASSERT_TRUE(divided);
    EXPECT_EQ(divided->end.outcome, one.end.outcome)
        << name(divided->end.outcome) << ", not " << name(one.end.outcome);
    EXPECT_NEAR(divided->end.duration_seconds, one.end.duration_seconds, 1);
    EXPECT_NEAR(static_cast<double>(divided->items.size()), static_cast<double>(one.items.size()),
                10);
  }
}

}  // namespace
}  // namespace soundgate::test
