// The pool with real worker processes and whole files: formats, pieces, outcomes, back-pressure.

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <random>
#include <thread>

#include "tests/fingerprint/test_audio.h"

namespace soundgate::test {
namespace {

using Append = StreamProducer::Append;

constexpr size_t kPieceBytes = 11 << 10;

DecoderPool::Options options_for(int worker_count) {
  DecoderPool::Options options;
  options.worker_path = SOUNDGATE_DECODER;
  options.worker_count = worker_count;
  options.payload_bytes_per_worker = size_t{64} << 20;
  return options;
}

std::vector<std::filesystem::path> all_formats(double seconds) {
  std::vector<std::filesystem::path> files;
  for (unsigned seed = 10; seed < 12; ++seed) {
    const auto music = make_music(seconds, seed);
    files.push_back(music);
    files.push_back(encode(music, "-c:a libmp3lame -b:a 128k", "a.mp3"));
    files.push_back(encode(music, "-c:a aac", "a.aac"));
    files.push_back(encode(music, "-c:a aac", "last.m4a"));
    files.push_back(encode(music, "-c:a aac -movflags +faststart", "first.m4a"));
    files.push_back(encode(music, "-c:a flac", "a.flac"));
    files.push_back(encode(music, "-c:a libvorbis", "a.ogg"));
    files.push_back(encode(music, "-c:a libopus", "a.opus"));
    files.push_back(encode(music, "-c:a libopus", "a.webm"));
  }
  return files;
}

class Pool : public testing::Test {
 protected:
  void start(const DecoderPool::Options& options) {
    auto started = DecoderPool::start(options, recorder_);
    ASSERT_TRUE(started) << started.error();
    pool_ = std::move(*started);
  }
  std::optional<Heard> decode(std::span<const std::byte> bytes) {
    return test::decode(*pool_, recorder_, bytes);
  }
  DecodeEnd end_of(std::span<const std::byte> bytes) {
    const auto heard = decode(bytes);
    EXPECT_TRUE(heard);
    return heard ? heard->end : DecodeEnd{};
  }

  PoolRecorder recorder_;
  std::unique_ptr<DecoderPool> pool_;
};

TEST_F(Pool, DecodesManyStreamsInterleavedAsItDecodesThemAlone) {
  start(options_for(2));
  struct Upload {
    Bytes bytes;
    std::vector<Item> expected{};
    StreamHandle stream{};
    size_t sent = 0;
  };
  std::vector<Upload> uploads;
  for (const auto& file : all_formats(12)) {
    Upload upload{.bytes = read_file(file)};
    upload.expected = decode(upload.bytes)->items;
    ASSERT_GT(upload.expected.size(), 60u) << file;
    for (int copy = 0; copy < 4; ++copy) uploads.push_back(upload);
  }

  StreamProducer& producer = pool_->producer(0);
  for (size_t i = 0; i < uploads.size(); ++i) {
    uploads[i].stream = producer.begin(i, i % 2 ? -1 : std::ssize(uploads[i].bytes)).value();
  }
  for (size_t left = uploads.size(); left > 0;) {
    for (Upload& upload : uploads) {
      if (upload.sent == upload.bytes.size()) continue;
      const auto piece = std::span(upload.bytes)
                             .subspan(upload.sent)
                             .first(std::min(kPieceBytes, upload.bytes.size() - upload.sent));
      const Append appended = producer.append(upload.stream, piece);
      ASSERT_NE(appended, Append::kDone);
      if (appended == Append::kFull) continue;
      upload.sent += piece.size();
      if (upload.sent < upload.bytes.size()) continue;
      producer.finish(upload.stream);
      --left;
    }
  }
  for (size_t i = 0; i < uploads.size(); ++i) {
    const auto heard = recorder_.wait_for_end(i);
    ASSERT_TRUE(heard);
    EXPECT_EQ(heard->end.outcome, DecodeOutcome::decoded) << i << name(heard->end.outcome);
    EXPECT_EQ(heard->items, uploads[i].expected) << i;
    EXPECT_EQ(heard->ends, 1);
  }
}

TEST_F(Pool, SaysWhatItFound) {
  start(options_for(1));
  const DecodeEnd end =
      end_of(read_file(encode(make_music(12, 10), "-c:a libmp3lame -b:a 128k", "a.mp3")));
  EXPECT_STREQ(end.format, "mp3");
  EXPECT_STREQ(end.codec, "mp3");
  EXPECT_NEAR(end.decoded_seconds, 12, 0.1);
  EXPECT_NEAR(end.duration_seconds, 12, 0.1);
}

TEST_F(Pool, TellsWhatIsNotAudio) {
  start(options_for(1));
  EXPECT_EQ(end_of({}).outcome, DecodeOutcome::not_audio);

  const std::string text = "It was a dark and stormy night; the rain fell in torrents.\n";
  Bytes prose;
  while (prose.size() < 100'000) {
    for (const char c : text) prose.push_back(static_cast<std::byte>(c));
  }
  EXPECT_EQ(end_of(prose).outcome, DecodeOutcome::not_audio);

  std::mt19937 random(7);
  Bytes noise(3 << 20);
  for (std::byte& byte : noise) byte = static_cast<std::byte>(random());
  const DecodeOutcome outcome = end_of(noise).outcome;
  EXPECT_TRUE(outcome == DecodeOutcome::not_audio || outcome == DecodeOutcome::undecodable)
      << name(outcome);
}

TEST_F(Pool, WantsNoMoreOfWhatIsNotAudio) {
  start(options_for(1));
  StreamProducer& producer = pool_->producer(0);
  const StreamHandle stream = producer.begin(1, -1).value();
  const Bytes zeros(60'000);
  Append last = Append::kTaken;
  for (int i = 0; i < 5000 && last != Append::kDone; ++i) {
    last = producer.append(stream, zeros);
    if (last != Append::kTaken || i > 30) ::usleep(1000);
  }
  EXPECT_EQ(last, Append::kDone);
  EXPECT_EQ(recorder_.wait_for_end(1)->end.outcome, DecodeOutcome::not_audio);
}

TEST_F(Pool, DecodesWhatIsThereOfATruncatedFile) {
  start(options_for(1));
  for (const char* name_of_file : {"a.flac", "first.m4a", "a.mp3"}) {
    const auto file =
        name_of_file == std::string("a.flac")
            ? encode(make_music(12, 10), "-c:a flac", name_of_file)
        : name_of_file == std::string("a.mp3")
            ? encode(make_music(12, 10), "-c:a libmp3lame -b:a 128k", name_of_file)
            : encode(make_music(12, 10), "-c:a aac -movflags +faststart", name_of_file);
    const Bytes whole = read_file(file);
    const auto heard = decode(std::span(whole).first(whole.size() / 2));
    EXPECT_EQ(heard->end.outcome, DecodeOutcome::truncated) << file << name(heard->end.outcome);
    EXPECT_NEAR(heard->end.decoded_seconds, 6, 1.5) << file;
    EXPECT_NEAR(heard->end.duration_seconds, 12, 0.2) << file;
    EXPECT_GT(heard->items.size(), 15u);
  }
}

TEST_F(Pool, DecodesWhatIsLeftOfADamagedFile) {
  start(options_for(1));
  Bytes bytes = read_file(encode(make_music(12, 10), "-c:a flac", "a.flac"));
  for (size_t i = 0; i < 2000; ++i) bytes[bytes.size() / 2 + i] ^= std::byte{0x5a};
  const auto heard = decode(bytes);
  EXPECT_EQ(heard->end.outcome, DecodeOutcome::damaged) << name(heard->end.outcome);
  EXPECT_GT(heard->end.decoded_seconds, 10);
}

// Which a listener hardly hears, and a mix to mono hears as silence.
TEST_F(Pool, HearsOneChannelUpsideDown) {
  start(options_for(1));
  const auto music = make_music(20, 3);
  const auto with_right = [&](const char* right, const char* file) {
    const std::string channels = std::string("-af pan='stereo|c0=c0|c1=") + right + "*c0' ";
    return read_file(encode(music, channels + "-c:a libmp3lame -b:a 128k", file));
  };
  const auto upright = decode(with_right("1", "upright.mp3"));
  const auto inverted = decode(with_right("-1", "inverted.mp3"));
  ASSERT_TRUE(upright && inverted);
  ASSERT_EQ(inverted->items.size(), upright->items.size());
  EXPECT_LE(differing_bits(inverted->items, upright->items), 0.02);

  const std::string flips = "-af 'aeval=val(0)|val(0)*(1-2*mod(floor(2*t)\\,2))' ";
  const auto flipping =
      decode(read_file(encode(music, flips + "-c:a libmp3lame -b:a 128k", "flipping.mp3")));
  ASSERT_TRUE(flipping);
  ASSERT_EQ(flipping->items.size(), upright->items.size());
  EXPECT_LE(differing_bits(flipping->items, upright->items), 0.05);
}

// Whoever is told does not come back for a while: what is decoded meanwhile is paid for all the
// same.
TEST(PoolBudget, AListenerThatTakesLongCostsNobodyItsWorker) {
  class Slow : public PoolRecorder {
   public:
    void on_items(uint64_t tag, uint32_t first_item, std::span<const Item> items) override {
      if (!std::exchange(has_waited_, true)) std::this_thread::sleep_for(std::chrono::seconds(2));
      PoolRecorder::on_items(tag, first_item, items);
    }

   private:
    bool has_waited_ = false;
  } recorder;
  DecoderPool::Options options = options_for(1);
  options.cpu_allowance = std::chrono::milliseconds(50);
  const auto pool = DecoderPool::start(options, recorder).value();
  const Bytes bytes = read_file(encode(make_music(600, 4), "-c:a libmp3lame -b:a 96k", "long.mp3"));
  const auto heard = test::decode(*pool, recorder, bytes);
  ASSERT_TRUE(heard);
  EXPECT_EQ(heard->end.outcome, DecodeOutcome::decoded) << name(heard->end.outcome);
}

TEST_F(Pool, CallsShortAudioShort) {
  start(options_for(1));
  EXPECT_EQ(end_of(read_file(make_music(1, 10))).outcome, DecodeOutcome::too_short);
}

TEST_F(Pool, StopsAtTheLongestAudio) {
  auto options = options_for(1);
  options.audio_seconds_max = 8;
  start(options);
  const auto heard = decode(read_file(make_music(12, 10)));
  EXPECT_EQ(heard->end.outcome, DecodeOutcome::too_long);
  EXPECT_NEAR(heard->end.decoded_seconds, 8, 0.5);
}

TEST_F(Pool, RefusesWhatNeedsItsEndFirstAndIsTooLarge) {
  auto options = options_for(1);
  options.spool_bytes_max = 100'000;
  start(options);
  EXPECT_EQ(end_of(read_file(encode(make_music(12, 10), "-c:a aac", "last.m4a"))).outcome,
            DecodeOutcome::spool_limit);
  // With the index in front nothing has to be kept.
  EXPECT_EQ(
      end_of(read_file(encode(make_music(12, 10), "-c:a aac -movflags +faststart", "first.m4a")))
          .outcome,
      DecodeOutcome::decoded);
}

TEST_F(Pool, PassesFilesThroughAPayloadSmallerThanThey) {
  auto options = options_for(1);
  options.payload_bytes_per_worker = size_t{1} << 20;
  start(options);
  const Bytes wav = read_file(make_music(12, 10));
  ASSERT_GT(wav.size(), options.payload_bytes_per_worker);
  const auto heard = decode(wav);
  EXPECT_EQ(heard->end.outcome, DecodeOutcome::decoded);
  EXPECT_FALSE(heard->has_gap);
}

TEST_F(Pool, TakesNothingWhenThereIsNoRoom) {
  auto options = options_for(1);
  options.payload_bytes_per_worker = size_t{1} << 20;
  start(options);
  StreamProducer& producer = pool_->producer(0);
  ASSERT_EQ(::kill(pool_->status().workers[0].pid, SIGSTOP), 0);
  const StreamHandle stream = producer.begin(1, -1).value();
  const Bytes wav = read_file(make_music(12, 10));
  size_t sent = 0;
  Append last = Append::kTaken;
  while (last == Append::kTaken && sent + kPieceBytes < wav.size()) {
    last = producer.append(stream, std::span(wav).subspan(sent, kPieceBytes));
    if (last == Append::kTaken) sent += kPieceBytes;
  }
  EXPECT_EQ(last, Append::kFull);
  EXPECT_GT(sent, size_t{900} << 10);
  ASSERT_EQ(::kill(pool_->status().workers[0].pid, SIGCONT), 0);
  ASSERT_TRUE(feed_whole(producer, stream, std::span(wav).subspan(sent)));
  EXPECT_EQ(recorder_.wait_for_end(1)->items, decode(wav)->items);
}

TEST_F(Pool, HasSlotsForSoManyStreamsAndNoMore) {
  start(options_for(1));
  StreamProducer& producer = pool_->producer(0);
  std::vector<StreamHandle> streams;
  for (uint64_t tag = 0; tag < 256; ++tag) streams.push_back(producer.begin(tag, -1).value());
  EXPECT_EQ(producer.begin(256, -1).error(), DecodeOutcome::decoder_overload);
  for (const StreamHandle stream : streams) producer.finish(stream);
  for (uint64_t tag = 0; tag < 256; ++tag) ASSERT_TRUE(recorder_.wait_for_end(tag));
  EXPECT_TRUE(producer.begin(256, -1));
}

TEST_F(Pool, SaysHowManyStreamsAreFree) {
  start(options_for(2));
  StreamProducer& producer = pool_->producer(0);
  EXPECT_EQ(producer.room().all, 512u);
  EXPECT_EQ(producer.room().free, 512u);
  const StreamHandle stream = producer.begin(1, -1).value();
  EXPECT_EQ(producer.room().free, 511u);
  producer.cancel(stream);
  for (int tries = 0; tries < 500 && producer.room().free < 512; ++tries) ::usleep(10'000);
  EXPECT_EQ(producer.room().free, 512u);
}

TEST_F(Pool, SaysNothingMoreOfACancelledStream) {
  start(options_for(1));
  StreamProducer& producer = pool_->producer(0);
  const Bytes wav = read_file(make_music(12, 10));
  const StreamHandle stream = producer.begin(1, -1).value();
  producer.append(stream, std::span(wav).first(kPieceBytes));
  producer.cancel(stream);
  EXPECT_EQ(producer.append(stream, std::span(wav).first(1)), Append::kDone);
  EXPECT_TRUE(decode(wav));  // the worker has been there since
  EXPECT_EQ(recorder_.heard(1).ends, 0);
  EXPECT_EQ(pool_->status().streams_ended, 2u);
}

TEST_F(Pool, ProducersDoNotMeet) {
  auto options = options_for(2);
  options.producer_count = 3;
  start(options);
  const Bytes mp3 = read_file(encode(make_music(12, 10), "-c:a libmp3lame -b:a 128k", "a.mp3"));
  std::vector<std::thread> threads;
  for (uint64_t index = 0; index < 3; ++index) {
    threads.emplace_back([&, index] {
      StreamProducer& producer = pool_->producer(static_cast<int>(index));
      for (uint64_t i = 0; i < 8; ++i) {
        const StreamHandle stream = producer.begin(index * 8 + i, -1).value();
        EXPECT_TRUE(feed_whole(producer, stream, mp3, kPieceBytes));
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  const auto first = recorder_.wait_for_end(0);
  for (uint64_t tag = 1; tag < 24; ++tag) {
    const auto heard = recorder_.wait_for_end(tag);
    ASSERT_TRUE(heard);
    EXPECT_EQ(heard->items, first->items);
  }
}

TEST_F(Pool, GivesEachProducerItsPart) {
  auto options = options_for(1);
  options.producer_parts = {{3, size_t{8} << 20}, {1, size_t{1} << 20}};
  start(options);
  for (uint64_t tag = 0; tag < 3; ++tag) EXPECT_TRUE(pool_->producer(0).begin(tag, -1));
  EXPECT_FALSE(pool_->producer(0).begin(3, -1));
  const StreamHandle stream = pool_->producer(1).begin(4, -1).value();
  EXPECT_FALSE(pool_->producer(1).begin(5, -1));
  // More than its part, of a format that must be kept whole: it is told so, and does not hang.
  const Bytes lossless = read_file(encode(make_music(20, 12), "-c:a alac", "large.m4a"));
  ASSERT_GT(lossless.size(), size_t{2} << 20);
  EXPECT_TRUE(feed_whole(pool_->producer(1), stream, lossless));
  EXPECT_EQ(recorder_.wait_for_end(4)->end.outcome, DecodeOutcome::spool_limit);
}

TEST(PoolStart, SaysWhyItCannot) {
  PoolRecorder recorder;
  auto options = options_for(1);
  options.worker_path = "/nowhere/soundgate-decoder";
  EXPECT_THAT(DecoderPool::start(options, recorder).error(),
              testing::AllOf(testing::HasSubstr("/nowhere/soundgate-decoder"),
                             testing::HasSubstr("No such file")));
  options.worker_path = "/bin/false";
  EXPECT_THAT(DecoderPool::start(options, recorder).error(), testing::HasSubstr("exit code 1"));
  options.stall_max = std::chrono::milliseconds(300);  // less than an idle worker sleeps
  EXPECT_THAT(DecoderPool::start(options, recorder).error(), testing::HasSubstr("0.6 s"));
  options.payload_bytes_per_worker = 1;
  EXPECT_THAT(DecoderPool::start(options, recorder).error(), testing::HasSubstr("1 MiB"));
}

}  // namespace
}  // namespace soundgate::test
