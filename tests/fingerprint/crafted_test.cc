// Files that were made to be misread: none costs a worker, hangs, or gets a milder reason than it
// deserves.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cstring>
#include <fstream>
#include <string_view>
#include <utility>

#include "fingerprint/decode/limits.h"
#include "tests/fingerprint/test_audio.h"

namespace soundgate::test {
namespace {

using decode::kChannelsMax;
using decode::kFormatChangesMax;
using decode::kPacketBytesMax;

uint32_t get32(const Bytes& bytes, size_t at) {
  uint32_t value = 0;
  for (size_t i = 0; i < 4; ++i) value = value << 8 | std::to_integer<uint32_t>(bytes[at + i]);
  return value;
}

void put32(Bytes& bytes, size_t at, uint32_t value) {
  for (size_t i = 4; i-- > 0; value >>= 8) bytes[at + i] = static_cast<std::byte>(value);
}

size_t find_word(const Bytes& bytes, std::string_view word) {
  const auto found = std::ranges::search(
      bytes, word, [](std::byte a, char b) { return a == static_cast<std::byte>(b); });
  EXPECT_FALSE(found.empty()) << word;
  return static_cast<size_t>(found.begin() - bytes.begin());
}

// MP4 whose audio lies in several parts ("chunks"), each at the position that its index says.
class Mp4 {
 public:
  explicit Mp4(Bytes bytes)
      : bytes_(std::move(bytes)),
        positions_(find_word(bytes_, "stco") + 12),
        chunks_(get32(bytes_, positions_ - 4)),
        media_(find_word(bytes_, "mdat") + 4) {}

  // Puts zeros before the first chunk.
  Bytes with_zeros_in_front(size_t count) {
    for (size_t i = 0; i < chunks_; ++i) {
      put32(bytes_, entry(i), get32(bytes_, entry(i)) + static_cast<uint32_t>(count));
    }
    put32(bytes_, media_ - 8, get32(bytes_, media_ - 8) + static_cast<uint32_t>(count));
    bytes_.insert(bytes_.begin() + static_cast<ptrdiff_t>(media_), count, std::byte{0});
    return bytes_;
  }

  // All of the audio, and zeros after it, are packets of one byte.
  Bytes with_packets_of_one_byte(uint32_t count) {
    bytes_.resize(media_ + count);
    put32(bytes_, media_ - 8, count + 8);
    const auto fill_in = [this](std::string_view box, std::initializer_list<uint32_t> words) {
      size_t at = find_word(bytes_, box) + 8;
      for (const uint32_t word : words) put32(bytes_, std::exchange(at, at + 4), word);
    };
    fill_in("stsz", {1, count});        // size, count
    fill_in("stsc", {1, 1, count, 1});  // entries; first chunk, packets in it, description
    fill_in("stco", {1});               // chunks
    fill_in("stts", {1, count, 1024});  // entries; packets, their duration
    const size_t edits = find_word(bytes_, "edts");
    std::memcpy(&bytes_[edits], "free", 4);
    return bytes_;
  }

  // The second half of the audio comes first in the file.
  Bytes with_halves_swapped() {
    const size_t first = get32(bytes_, entry(0));
    const size_t middle = get32(bytes_, entry(chunks_ / 2));
    const size_t end = bytes_.size();
    for (size_t i = 0; i < chunks_; ++i) {
      const size_t at = get32(bytes_, entry(i));
      put32(bytes_, entry(i),
            static_cast<uint32_t>(at < middle ? at + (end - middle) : at - (middle - first)));
    }
    std::rotate(bytes_.begin() + static_cast<ptrdiff_t>(first),
                bytes_.begin() + static_cast<ptrdiff_t>(middle), bytes_.end());
    return bytes_;
  }

 private:
  size_t entry(size_t chunk) const { return positions_ + 4 * chunk; }

  Bytes bytes_;
  size_t positions_;
  size_t chunks_;
  size_t media_;
};

class Crafted : public testing::Test {
 protected:
  Crafted() {
    options_.worker_path = SOUNDGATE_DECODER;
    options_.worker_count = 1;
    options_.payload_bytes_per_worker = size_t{64} << 20;
  }
  void start() {
    auto started = DecoderPool::start(options_, recorder_);
    ASSERT_TRUE(started) << started.error();
    pool_ = std::move(*started);
  }
  Heard decode(std::span<const std::byte> bytes) {
    const auto heard = test::decode(*pool_, recorder_, bytes);
    EXPECT_TRUE(heard);
    return heard.value_or(Heard{});
  }
  static Bytes music(const char* arguments, const char* name, double seconds = 12) {
    return read_file(encode(make_music(seconds, 40), arguments, name));
  }
  static void append(StreamProducer& producer, StreamHandle stream,
                     std::span<const std::byte> bytes) {
    while (!bytes.empty()) {
      const auto piece = bytes.first(std::min<size_t>(bytes.size(), 60'000));
      ASSERT_EQ(producer.append(stream, piece), StreamProducer::Append::kTaken);
      bytes = bytes.subspan(piece.size());
    }
  }
  void expect_worker_unharmed() {
    EXPECT_EQ(pool_->status().workers[0].restarts, 0u);
    EXPECT_EQ(pool_->status().crashes, 0u);
  }

  PoolRecorder recorder_;
  DecoderPool::Options options_;
  std::unique_ptr<DecoderPool> pool_;
};

TEST_F(Crafted, AHeaderMayPromiseThousandsOfYears) {
  start();
  Bytes flac = music("-c:a flac", "a.flac");
  // Of STREAMINFO: 20 bits sample rate, 3 channels, 5 bits a sample, 36 samples in all.
  const size_t at = 18;
  put32(flac, at, (uint32_t{1} << 12) | (get32(flac, at) & 0xff0) | 0xf);
  put32(flac, at + 4, 0xffffffff);
  const Heard heard = decode(flac);
  EXPECT_EQ(heard.end.outcome, DecodeOutcome::truncated) << name(heard.end.outcome);
  EXPECT_GT(heard.end.duration_seconds, 9e8);
  EXPECT_FALSE(heard.items.empty());
  expect_worker_unharmed();
}

TEST_F(Crafted, OneFrameMayLastLongerThanAStreamMay) {
  options_.audio_seconds_max = 20;
  start();
  const Heard heard = decode(music("-c:a flac -ar 1000 -ac 1 -frame_size 65535", "slow.flac", 70));
  EXPECT_EQ(heard.end.outcome, DecodeOutcome::too_long) << name(heard.end.outcome);
  EXPECT_NEAR(heard.end.decoded_seconds, 20, 0.01);
  expect_worker_unharmed();
}

TEST_F(Crafted, ASampleRateMayBeAbsurd) {
  start();
  Bytes wav = music("-c:a pcm_s16le -bitexact", "a.wav");
  constexpr size_t kSampleRateAt = 24;
  for (const uint32_t rate_hz : {1u, 999u, 768'001u, 90'000'000u, 0x7fffffffu}) {
    std::memcpy(&wav[kSampleRateAt], &rate_hz, sizeof rate_hz);
    EXPECT_EQ(decode(wav).end.outcome, DecodeOutcome::undecodable) << rate_hz;
  }
  expect_worker_unharmed();
}

// With a mask that says where each of them stands, libav would mix them.
TEST_F(Crafted, ThereMayBeMoreChannelsThanAnybodyMixes) {
  start();
  const auto with_channels = [](uint16_t channels) {
    Bytes wav = music("-c:a pcm_u8 -ac 1 -bitexact -rf64 never", "a8.wav", 90);
    constexpr size_t kFormatAt = 20, kExtraBytes = 24;
    struct [[gnu::packed]] {
      uint16_t tag = 0xfffe, channels;
      uint32_t rate_hz = 44100, rate_bytes = 44100;
      uint16_t frame_bytes, sample_bits = 8, extra_bytes = 22, valid_bits = 8;
      uint32_t mask;
      uint8_t kind[16] = {1, 0, 0, 0, 0, 0, 0x10, 0, 0x80, 0, 0, 0xaa, 0, 0x38, 0x9b, 0x71};
    } format;
    format.channels = format.frame_bytes = channels;
    format.mask = (uint32_t{1} << channels) - 1;
    wav.insert(wav.begin() + kFormatAt + 16, kExtraBytes, std::byte{0});
    wav[kFormatAt - 4] = std::byte{sizeof format};
    std::memcpy(&wav[kFormatAt], &format, sizeof format);
    return wav;
  };
  EXPECT_EQ(decode(with_channels(kChannelsMax)).end.outcome, DecodeOutcome::decoded);
  EXPECT_EQ(decode(with_channels(kChannelsMax + 1)).end.outcome, DecodeOutcome::undecodable);
  expect_worker_unharmed();
}

TEST_F(Crafted, APacketMayBeLargerThanAnyCodecMakesThem) {
  start();
  // 8 s and 9 s of 8 channels: 16 bytes for each of so many samples.
  const auto in_one_packet = [](int samples) {
    return music(
        ("-c:a pcm_s16le -af aresample=131072,aformat=channel_layouts=7.1,asetnsamples=p=0:n=" +
         std::to_string(samples))
            .c_str(),
        ("packet" + std::to_string(samples) + ".mka").c_str(), 8.5);
  };
  constexpr int kSamplesMax = kPacketBytesMax / 16;
  EXPECT_EQ(decode(in_one_packet(kSamplesMax)).end.outcome, DecodeOutcome::decoded);
  EXPECT_EQ(decode(in_one_packet(kSamplesMax + 1)).end.outcome, DecodeOutcome::damaged);
  expect_worker_unharmed();
}

// Each change sets up a resampler.
TEST_F(Crafted, TheFormatMayChangeAllTheTime) {
  start();
  const Bytes pieces[] = {music("-c:a aac -ar 44100", "high.aac", 0.15),
                          music("-c:a aac -ar 22050", "low.aac", 0.15)};
  const auto changing = [&](int changes) {
    Bytes bytes;
    for (int i = 0; i <= changes; ++i) {
      bytes.insert(bytes.end(), pieces[i % 2].begin(), pieces[i % 2].end());
    }
    return bytes;
  };
  const Heard some = decode(changing(kFormatChangesMax / 2));
  EXPECT_EQ(some.end.outcome, DecodeOutcome::decoded) << name(some.end.outcome);
  const Heard many = decode(changing(kFormatChangesMax + 10));
  EXPECT_EQ(many.end.outcome, DecodeOutcome::damaged) << name(many.end.outcome);
  EXPECT_FALSE(many.items.empty());
  expect_worker_unharmed();
}

// A million packets, none of which makes a sample: each is a sign of life, and hardly a byte.
TEST_F(Crafted, CpuIsForStreamsThatDeliver) {
  options_.cpu_allowance = std::chrono::milliseconds(100);
  start();
  const Bytes plain = music("-c:a aac -movflags +faststart", "first.m4a");
  StreamProducer& producer = pool_->producer(0);
  const StreamHandle neighbour = producer.begin(1, std::ssize(plain)).value();
  const auto half = std::span(plain).first(plain.size() / 2);
  ASSERT_EQ(producer.append(neighbour, half), StreamProducer::Append::kTaken);

  const Heard heard = decode(Mp4(plain).with_packets_of_one_byte(1'000'000));
  EXPECT_EQ(heard.end.outcome, DecodeOutcome::decoder_cpu) << name(heard.end.outcome);

  ASSERT_TRUE(feed_whole(producer, neighbour, std::span(plain).subspan(half.size())));
  const auto unharmed = recorder_.wait_for_end(1);
  ASSERT_TRUE(unharmed);
  EXPECT_EQ(unharmed->end.outcome, DecodeOutcome::decoded) << name(unharmed->end.outcome);
  expect_worker_unharmed();
}

TEST_F(Crafted, WhatLiesInFrontOfTheAudioNeedsNoRoom) {
  constexpr size_t kZeros = size_t{40} << 20;
  const Bytes plain = music("-c:a aac -movflags +faststart", "first.m4a");
  const Bytes late = Mp4(plain).with_zeros_in_front(kZeros);
  for (const bool can_wait : {true, false}) {
    options_.producer_parts = {
        {.streams = 4, .payload_bytes = size_t{8} << 20, .can_wait = can_wait}};
    start();
    const Heard heard = decode(late);
    EXPECT_EQ(heard.end.outcome, DecodeOutcome::decoded) << can_wait << name(heard.end.outcome);
    EXPECT_EQ(heard.items, decode(plain).items);
  }
}

TEST_F(Crafted, AudioInAnotherOrderThanTheFileIsHeardWholeOrSaidNotToBe) {
  const Bytes plain = music("-c:a alac -movflags +faststart", "first-alac.m4a", 40);
  const Bytes swapped = Mp4(plain).with_halves_swapped();
  ASSERT_GT(swapped.size(), size_t{2} << 20);
  start();
  const Heard whole = decode(swapped);
  EXPECT_EQ(whole.end.outcome, DecodeOutcome::decoded) << name(whole.end.outcome);
  EXPECT_EQ(whole.items, decode(plain).items);

  options_.payload_bytes_per_worker = size_t{1} << 20;  // too little to keep it all
  start();
  EXPECT_EQ(decode(swapped).end.outcome, DecodeOutcome::spool_limit);
}

TEST_F(Crafted, ChaptersAtTheEndAreNotWaitedFor) {
  start();
  const auto chapters = scratch_folder() / "chapters.txt";
  std::ofstream(chapters) << ";FFMETADATA1\n[CHAPTER]\nTIMEBASE=1/1\nSTART=0\nEND=9\ntitle=one\n";
  Bytes m4a =
      read_file(run_ffmpeg("-i '" + make_music(30, 40).string() + "' -i '" + chapters.string() +
                               "' -map_metadata 1 -c:a aac -movflags +faststart",
                           "chapters.m4a"));
  // Their track is the last one.
  const std::string_view word = "stco";
  const auto table = std::ranges::find_end(
      m4a, word, [](std::byte a, char b) { return a == static_cast<std::byte>(b); });
  ASSERT_FALSE(table.empty());
  put32(m4a, static_cast<size_t>(table.begin() - m4a.begin()) + 12,
        static_cast<uint32_t>(m4a.size()));
  m4a.resize(m4a.size() + 1000);

  StreamProducer& producer = pool_->producer(0);
  const StreamHandle stream = producer.begin(1, std::ssize(m4a)).value();
  append(producer, stream, std::span(m4a).first(m4a.size() / 2));
  EXPECT_TRUE(recorder_.wait_for_items(1, 24, std::chrono::seconds(5)));
}

TEST_F(Crafted, ATrackMayHaveAnImpossibleNumber) {
  start();
  Bytes m4a = music("-c:a aac -movflags frag_keyframe+empty_moov -frag_duration 200000", "a.mp4");
  const auto make_negative = [&m4a](std::string_view box, size_t number_at) {
    for (auto from = m4a.begin();;) {
      from = std::search(from, m4a.end(), box.begin(), box.end(),
                         [](std::byte a, char b) { return a == static_cast<std::byte>(b); });
      if (from == m4a.end()) return;
      put32(m4a, static_cast<size_t>(from++ - m4a.begin()) + number_at, 0x8000'0001);
    }
  };
  make_negative("tkhd", 16);
  make_negative("trex", 8);
  make_negative("tfhd", 8);
  const auto begun = std::chrono::steady_clock::now();
  EXPECT_EQ(decode(m4a).end.outcome, DecodeOutcome::undecodable);
  EXPECT_LT(std::chrono::steady_clock::now() - begun, std::chrono::seconds(8));  // not a minute
  expect_worker_unharmed();
}

TEST_F(Crafted, ATagThatLiesAboutItsLengthHidesNothing) {
  start();
  const Bytes mp3 = music("-c:a libmp3lame -id3v2_version 0", "a.mp3");
  Bytes bytes;
  const auto add = [&](std::span<const std::byte> part) {
    bytes.insert(bytes.end(), part.begin(), part.end());
  };
  add(std::as_bytes(std::span("ID3\3\0\0\x7f\x7f\x7f\x7f", 10)));  // 256 MiB
  add(mp3);
  EXPECT_EQ(decode(bytes).end.outcome, DecodeOutcome::undecodable);
  bytes.insert(bytes.begin(), mp3.begin(), mp3.end());
  const Heard heard = decode(bytes);
  EXPECT_EQ(heard.end.outcome, DecodeOutcome::decoded) << name(heard.end.outcome);
  EXPECT_NEAR(heard.end.decoded_seconds, 24, 0.2);
  expect_worker_unharmed();
}

// What stands behind a tag, and cannot be decoded, is damage all the same.
TEST_F(Crafted, ATagHidesNoDamageBehindIt) {
  start();
  const Bytes mp3 = music("-c:a libmp3lame -b:a 128k -id3v2_version 0 -write_xing 0", "a.mp3");
  Bytes bytes = mp3;
  for (size_t at = mp3.size() / 2; at < mp3.size(); ++at) {
    const bool is_header = bytes[at] == std::byte{0xff} && at + 1 < bytes.size() &&
                           (bytes[at + 1] & std::byte{0xe0}) == std::byte{0xe0};
    if (is_header) at += 4;  // behind it, where its samples are
    if (at < bytes.size()) bytes[at] = std::byte{0x55};
  }
  EXPECT_EQ(decode(bytes).end.outcome, DecodeOutcome::damaged);
  const auto tag = std::as_bytes(std::span("ID3\3\0\0\0\x7f\x7f\x7f", 10));
  bytes.insert(bytes.begin() + static_cast<ptrdiff_t>(mp3.size() / 2), tag.begin(), tag.end());
  EXPECT_EQ(decode(bytes).end.outcome, DecodeOutcome::damaged);
}

TEST_F(Crafted, WhatFollowsTheAudioIsNotMissed) {
  start();
  Bytes aiff = music("-c:a pcm_s16be", "a.aiff");
  const size_t announced = aiff.size() + 500'000;  // cover art, which has not come yet
  StreamProducer& producer = pool_->producer(0);
  const StreamHandle stream = producer.begin(1, static_cast<int64_t>(announced)).value();
  append(producer, stream, aiff);
  const auto heard = recorder_.wait_for_end(1);
  ASSERT_TRUE(heard);
  EXPECT_EQ(heard->end.outcome, DecodeOutcome::decoded) << name(heard->end.outcome);
}

}  // namespace
}  // namespace soundgate::test
