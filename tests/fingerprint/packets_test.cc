// Uploads whose packets are known, in files that were tagged or wrapped anew: they are not decoded
// again, and nobody hears a difference. Whatever would sound otherwise is decoded.

#include <gmock/gmock.h>
#include <signal.h>

#include <algorithm>
#include <bit>
#include <cstring>
#include <string_view>

#include "tests/fingerprint/remembering_pool.h"

namespace soundgate::test {
namespace {

constexpr double kSeconds = 30;

std::filesystem::path encoded(const std::string& arguments, const std::string& name) {
  return encode(make_music(kSeconds, 40), arguments, name);
}

// source → the same packets in another file.
Bytes copied(const std::filesystem::path& source, const std::string& arguments,
             const std::string& name) {
  return read_file(encode(source, "-c copy " + arguments, name));
}

Bytes joined(std::span<const std::byte> head, std::span<const std::byte> tail) {
  Bytes both(head.begin(), head.end());
  both.insert(both.end(), tail.begin(), tail.end());
  return both;
}

// With something in it that is no MP3, and of so many bytes.
Bytes id3_tag(size_t bytes) {
  constexpr size_t kHeaderBytes = 10;
  Bytes tag(bytes, std::byte{'x'});
  const size_t size = bytes - kHeaderBytes;
  const uint8_t header[kHeaderBytes] = {'I',
                                        'D',
                                        '3',
                                        3,
                                        0,
                                        0,
                                        uint8_t(size >> 21 & 0x7f),
                                        uint8_t(size >> 14 & 0x7f),
                                        uint8_t(size >> 7 & 0x7f),
                                        uint8_t(size & 0x7f)};
  std::ranges::copy(std::as_bytes(std::span(header)), tag.begin());
  return tag;
}

// With a chunk of other things in front of its samples, which it says are so many bytes.
Bytes tagged_wav(const Bytes& wav, uint32_t data_bytes) {
  constexpr size_t kFormatEnd = 36, kHeaderEnd = 44;
  const char list[] = "LIST\x0a\0\0\0INFOabcdef";
  Bytes tagged(wav.begin(), wav.begin() + kFormatEnd);
  const auto add = [&](const void* from, size_t count) {
    const auto* bytes = static_cast<const std::byte*>(from);
    tagged.insert(tagged.end(), bytes, bytes + count);
  };
  add(list, sizeof list - 1);
  add("data", 4);
  add(&data_bytes, sizeof data_bytes);
  add(wav.data() + kHeaderEnd, wav.size() - kHeaderEnd);
  return tagged;
}

// Where a word stands in it for the first time.
size_t find(const Bytes& bytes, std::string_view word) {
  const auto found = std::ranges::search(bytes, std::as_bytes(std::span(word)));
  EXPECT_FALSE(found.empty()) << word;
  return static_cast<size_t>(found.begin() - bytes.begin());
}

// Of the first page of Ogg, which is right again then.
void set_checksum(Bytes& ogg) {
  constexpr size_t kSumAt = 22, kLacesAt = 27;
  size_t end = kLacesAt + std::to_integer<size_t>(ogg[kLacesAt - 1]);
  for (size_t lace = kLacesAt; lace < kLacesAt + std::to_integer<size_t>(ogg[kLacesAt - 1]);
       ++lace) {
    end += std::to_integer<size_t>(ogg[lace]);
  }
  std::fill_n(ogg.begin() + kSumAt, 4, std::byte{0});
  uint32_t sum = 0;
  for (size_t at = 0; at < end; ++at) {
    sum ^= std::to_integer<uint32_t>(ogg[at]) << 24;
    for (int bit = 0; bit < 8; ++bit) sum = sum << 1 ^ (sum >> 31 ? 0x04c11db7 : 0);
  }
  std::memcpy(ogg.data() + kSumAt, &sum, sizeof sum);
}

class Packets : public RememberingPool {
 protected:
  void expect_known(std::span<const std::byte> copy, const Heard& original) {
    const auto before = pool_->status();
    const Heard heard = decode(copy, std::ssize(copy));
    EXPECT_TRUE(heard.end.exact);
    EXPECT_TRUE(heard.end.exact_packets);
    EXPECT_EQ(heard.ends, 1);
    EXPECT_EQ(heard.end.outcome, DecodeOutcome::decoded);
    EXPECT_EQ(heard.items, original.items);
    EXPECT_EQ(heard.bands, original.bands);
    EXPECT_EQ(heard.probes, original.probes);
    EXPECT_EQ(heard.end.decoded_seconds, original.end.decoded_seconds);
    EXPECT_EQ(pool_->status().recognised, before.recognised + 1);
    EXPECT_EQ(pool_->status().recognised_by_packets, before.recognised_by_packets + 1);
    EXPECT_EQ(pool_->status().decoded_seconds, before.decoded_seconds);
    // Otherwise as if it had been decoded.
    const Heard undisturbed = decode_undisturbed(copy);
    EXPECT_EQ(heard.items, undisturbed.items);
    EXPECT_STREQ(heard.end.format, undisturbed.end.format);
    EXPECT_STREQ(heard.end.codec, undisturbed.end.codec);
    EXPECT_EQ(heard.end.duration_seconds, undisturbed.end.duration_seconds);
  }
};

struct Copy {
  const char* arguments;  // of the original,
  const char* name;
  const char* copy_arguments;  // and of what is made of it
  const char* copy_name;
};

class CopiedPackets : public Packets, public testing::WithParamInterface<Copy> {};

TEST_P(CopiedPackets, AreKnown) {
  start(options_for(1));
  const Copy& tested = GetParam();
  const auto original = encoded(tested.arguments, tested.name);
  const Heard first = decode(read_file(original));
  EXPECT_FALSE(first.end.exact);
  const Bytes copy = copied(original, tested.copy_arguments, tested.copy_name);
  ASSERT_FALSE(copy.empty());
  expect_known(copy, first);
}

constexpr Copy kCopies[] = {
    {"-c:a aac -movflags +faststart", "first.m4a", "-metadata title=Other", "last.m4a"},
    {"-c:a aac", "last2.m4a", "-metadata artist=Other -movflags +faststart", "first2.m4a"},
    {"-c:a alac", "a.m4a", "-metadata title=Other -movflags +faststart", "alac.m4a"},
    {"-c:a flac", "a.flac", "-metadata title=Other -metadata comment=Long", "tagged.flac"},
    {"-c:a flac", "b.flac", "-metadata title=Other", "flac.oga"},
    {"-c:a libvorbis", "a.ogg", "-metadata title=Other -metadata comment=Long", "tagged.ogg"},
    {"-c:a libvorbis", "p.ogg", "-page_duration 100000", "paged.ogg"},
    {"-c:a libvorbis", "c.ogg", "-metadata title=Other", "vorbis.webm"},
    {"-c:a libopus", "a.opus", "-metadata title=Other -metadata comment=Long", "tagged.opus"},
    {"-c:a libopus", "p.opus", "-page_duration 100000", "paged.opus"},
    {"-c:a libopus", "a.webm", "-metadata title=Other", "tagged.webm"},
    {"-c:a aac", "a.aac", "-id3v2_version 3 -write_id3v2 1 -metadata title=Other", "tagged.aac"},
    {"-c:a aac", "a.mkv", "-metadata title=Other", "tagged.mkv"},
    {"-c:a wmav2", "a.wma", "-metadata title=Other", "tagged.wma"},
    {"-c:a pcm_s16le", "a.wav", "-metadata title=Other", "tagged.wav"},
    {"-c:a aac", "a.ts", "-metadata service_name=Other", "tagged.ts"},
};

INSTANTIATE_TEST_SUITE_P(Each, CopiedPackets, testing::ValuesIn(kCopies), [](const auto& tested) {
  std::string name = tested.param.copy_name;
  std::ranges::replace(name, '.', '_');
  return name;
});

TEST_F(Packets, OfATaggedMp3AreKnown) {
  start(options_for(1));
  const Bytes mp3 = read_file(encoded("-c:a libmp3lame -b:a 128k -id3v2_version 0", "a.mp3"));
  const Heard first = decode(mp3);
  for (const size_t bytes : {size_t{100}, size_t{5000}, size_t{3} << 20}) {
    expect_known(joined(id3_tag(bytes), mp3), first);
  }
  EXPECT_EQ(pool_->status().known, 1u);
}

// It sounds the same, but for where it begins or ends: each is decoded, and is itself known then.
TEST_F(Packets, HeardFromElsewhereAreOthers) {
  start(options_for(1));
  const auto m4a = encoded("-c:a aac", "edited.m4a");
  const Bytes opus = read_file(encoded("-c:a libopus", "skipped.opus"));
  decode(read_file(m4a));
  decode(opus);
  Bytes moved = read_file(m4a), cut = moved;
  moved[find(moved, "elst") + 18] = std::byte{8};  // its media time, which was 1024
  cut[find(cut, "elst") + 19] = std::byte{100};    // 1124: a part of a packet
  Bytes skips_more = opus;
  skips_more[find(opus, "OpusHead") + 11] = std::byte{12};
  set_checksum(skips_more);
  for (const Bytes& other :
       {moved, cut, skips_more, copied(m4a, "-movflags +empty_moov", "whole.mp4"),
        copied(m4a, "", "packets.aac")}) {
    const Heard heard = decode(other);
    EXPECT_FALSE(heard.end.exact);
    expect_same(heard, decode_undisturbed(other));
    EXPECT_EQ(heard.end.outcome, DecodeOutcome::decoded);
    EXPECT_TRUE(decode(other).end.exact);
  }
}

// Packets are what is known, and not what they are about: another number of channels, say.
TEST_F(Packets, OfAnotherFormatAreOthers) {
  start(options_for(1));
  const Bytes wav = read_file(make_music(kSeconds, 40));
  decode(wav);
  Bytes mono = wav, slow = wav;
  mono[22] = std::byte{1};
  slow[25] = std::byte{0x80};
  for (const Bytes& other : {mono, slow}) {
    const Heard heard = decode(other);
    EXPECT_FALSE(heard.end.exact);
    expect_same(heard, decode_undisturbed(other));
  }
}

class TaggedMp3 : public Packets {
 protected:
  const Bytes mp3_ = read_file(encoded("-c:a libmp3lame -b:a 128k -id3v2_version 0", "a.mp3"));
  const Bytes tagged_ = joined(id3_tag(5000), mp3_);
};

TEST_F(TaggedMp3, ThatOnlyBeginsLikeAKnownOneIsDecodedWhole) {
  start(options_for(1));
  decode(mp3_);
  Bytes changed = tagged_;
  changed[changed.size() - 1000] ^= std::byte{1};
  Bytes damaged = tagged_;
  std::fill_n(damaged.begin() + static_cast<ptrdiff_t>(damaged.size() / 3), 3000, std::byte{0x5a});
  const Bytes longer = joined(tagged_, mp3_);
  const std::span shorter = std::span(tagged_).first(tagged_.size() - 3000);
  for (const std::span<const std::byte> other :
       {std::span<const std::byte>(changed), std::span<const std::byte>(damaged),
        std::span<const std::byte>(longer), shorter}) {
    const auto before = pool_->status();
    const Heard heard = decode(other);
    expect_same(heard, decode_undisturbed(other));
    EXPECT_FALSE(heard.end.exact);
    EXPECT_EQ(pool_->status().packets_put_off, before.packets_put_off + 1);
    EXPECT_TRUE(eventually(
        [&] { return pool_->status().packets_caught_up == before.packets_caught_up + 1; }));
  }
  EXPECT_EQ(pool_->status().contradicted, 0u);
}

TEST_F(TaggedMp3, IsHeardAsItComes) {
  start(options_for(1));
  const Heard first = decode(mp3_);
  const auto before = pool_->status();
  const StreamHandle stream = begin(1);
  for (size_t at = 0; at < tagged_.size() * 3 / 4; at += kPieceBytes) {
    producer().append(stream, std::span(tagged_).subspan(at, kPieceBytes));
  }
  EXPECT_TRUE(recorder_.wait_for_items(1, first.items.size() / 4));
  EXPECT_EQ(pool_->status().packets_put_off, before.packets_put_off + 1);
  EXPECT_EQ(pool_->status().decoded_seconds, before.decoded_seconds);
  const Heard heard = recorder_.heard(1);
  EXPECT_LT(heard.items.size(), first.items.size() * 3 / 4);
  EXPECT_TRUE(std::ranges::equal(heard.items, std::span(first.items).first(heard.items.size())));
  producer().cancel(stream);
  EXPECT_TRUE(eventually([&] { return pool_->status().streams_ended == 2; }));
  EXPECT_EQ(recorder_.heard(1).ends, 0);
}

TEST_F(TaggedMp3, WithOtherProbesIsDecoded) {
  start(options_for(1));
  decode(mp3_);
  pool_->set_probes({.step_max = 2});
  const Heard probed = decode(tagged_);
  EXPECT_FALSE(probed.end.exact);
  EXPECT_EQ(probed.probes.size(), 8u);
  const Heard again = decode(joined(id3_tag(6000), mp3_));
  EXPECT_TRUE(again.end.exact_packets);
  EXPECT_EQ(again.probes, probed.probes);
}

TEST_F(TaggedMp3, ThatIsShorterThanAnnouncedIsNotWhole) {
  start(options_for(1));
  decode(mp3_);
  EXPECT_EQ(decode(tagged_, std::ssize(tagged_) + 1).end.outcome, DecodeOutcome::truncated);
}

TEST_F(TaggedMp3, IsWantedInPartAndKnownWhole) {
  start(options_for(1));
  const Heard whole = decode(mp3_);
  pool_->set_coverage({.share = 0.25, .period_seconds = 10});
  const Heard known = decode(tagged_);
  EXPECT_TRUE(known.end.exact_packets);
  EXPECT_EQ(known.end.skipped_seconds, 0);
  EXPECT_EQ(known.items, whole.items);
}

// A worker says of packets what it likes. So it is believed of the streams that it has itself,
// which it could lie about anyway; and of others when another worker has said the same.
TEST_F(TaggedMp3, IsKnownToAllOnceTwoWorkersHaveDecodedIt) {
  start(options_for(2));
  const auto decode_beside = [&](std::span<const std::byte> bytes, int other_streams) {
    std::vector<StreamHandle> others;
    for (int i = 0; i < other_streams; ++i) others.push_back(begin(next_tag_++));
    const Heard heard = decode(bytes);
    for (const StreamHandle other : others) producer().cancel(other);
    EXPECT_TRUE(eventually([&] {
      return std::ranges::all_of(pool_->status().workers,
                                 [](const auto& worker) { return worker.streams == 0; });
    }));
    return heard;
  };
  // Workers take turns where both are idle: each call moves on by one, or by two.
  EXPECT_FALSE(decode_beside(mp3_, 0).end.exact);                        // the first one's
  EXPECT_TRUE(decode_beside(joined(id3_tag(100), mp3_), 1).end.exact);   // the first one's again
  EXPECT_FALSE(decode_beside(joined(id3_tag(200), mp3_), 0).end.exact);  // the second one's
  EXPECT_EQ(pool_->status().confirmed, 1u);
  EXPECT_TRUE(decode_beside(joined(id3_tag(300), mp3_), 0).end.exact);
  EXPECT_TRUE(decode_beside(joined(id3_tag(400), mp3_), 0).end.exact);
  EXPECT_EQ(pool_->status().known, 1u);
}

TEST_F(TaggedMp3, SurvivesItsWorkerWhilePutOff) {
  start(options_for(1));
  const Heard first = decode(mp3_);
  ASSERT_TRUE(eventually([&] { return pool_->status().streams_ended == 1; }));
  const StreamHandle stream = begin(1);
  const auto [head, tail] = std::pair(std::span(tagged_).first(tagged_.size() / 3 * 2),
                                      std::span(tagged_).subspan(tagged_.size() / 3 * 2));
  for (size_t at = 0; at < head.size(); at += kPieceBytes) {
    const auto piece = head.subspan(at, std::min(kPieceBytes, head.size() - at));
    ASSERT_EQ(producer().append(stream, piece), StreamProducer::Append::kTaken);
  }
  ASSERT_TRUE(recorder_.wait_for_items(1, first.items.size() / 4));
  std::this_thread::sleep_for(std::chrono::milliseconds(500));  // it has read all there is
  const int pid = pool_->status().workers[0].pid;
  ASSERT_EQ(::kill(pid, SIGKILL), 0);
  ASSERT_TRUE(eventually([&] {
    const int now = pool_->status().workers[0].pid;
    return now != 0 && now != pid;
  }));
  ASSERT_TRUE(feed_whole(producer(), stream, tail));
  const auto heard = recorder_.wait_for_end(1);
  ASSERT_TRUE(heard);
  expect_same(*heard, first);
  EXPECT_FALSE(heard->end.exact);  // what is known went with the worker
}

// By its packets it is the same, but it says that there are as many again.
TEST_F(Packets, OfWhichMoreArePromisedAreNotAll) {
  start(options_for(1));
  const Bytes mkv = read_file(encoded("-c:a aac", "promising.mkv"));
  const Heard first = decode(mkv);
  Bytes promising = mkv;
  const size_t duration_at = find(mkv, "\x44\x89\x88") + 3;  // big-endian, in milliseconds
  uint64_t bits;
  std::memcpy(&bits, &mkv[duration_at], sizeof bits);
  bits = __builtin_bswap64(std::bit_cast<uint64_t>(
      2 * std::bit_cast<double>(static_cast<uint64_t>(__builtin_bswap64(bits)))));
  std::memcpy(&promising[duration_at], &bits, sizeof bits);
  const Heard heard = decode(promising);
  EXPECT_EQ(heard.end.outcome, DecodeOutcome::truncated);
  EXPECT_FALSE(heard.end.exact);
  EXPECT_EQ(heard.items, first.items);
}

class TaggedWav : public Packets {
 protected:
  void append(StreamHandle stream, std::span<const std::byte> bytes) {
    while (!bytes.empty()) {
      const auto piece = bytes.first(std::min(kPieceBytes, bytes.size()));
      ASSERT_EQ(producer().append(stream, piece), StreamProducer::Append::kTaken);
      bytes = bytes.subspan(piece.size());
    }
  }

  const Bytes wav_ = read_file(make_music(kSeconds, 40));
  const Bytes tagged_ = tagged_wav(wav_, static_cast<uint32_t>(wav_.size() - 44));
};

TEST_F(TaggedWav, IsKnown) {
  start(options_for(1));
  expect_known(tagged_, decode(wav_));
}

TEST_F(TaggedWav, ThatDoesNotFitIntoMemoryIsDecodedAsItComes) {
  auto options = options_for(1);
  options.payload_bytes_per_worker = size_t{1} << 20;
  start(options);
  const Heard first = decode(wav_);
  const StreamHandle stream = begin(1);
  // (libavformat looks at 32 packets of PCM, which may be something else, before it gives one out.)
  const auto [head, tail] =
      std::pair(std::span(tagged_).first(200'000), std::span(tagged_).subspan(200'000));
  append(stream, head);
  ASSERT_TRUE(eventually([&] { return pool_->status().packets_put_off == 1; }));
  ASSERT_TRUE(feed_whole(producer(), stream, tail));
  const auto heard = recorder_.wait_for_end(1);
  ASSERT_TRUE(heard);
  EXPECT_FALSE(heard->end.exact);
  expect_same(*heard, first);
  EXPECT_TRUE(eventually([&] { return pool_->status().packets_caught_up == 1; }));
}

// Two whose packets are known hold back what they have; another one, which must be kept whole,
// needs the room.
TEST_F(TaggedWav, ThatIsHeldBackGivesWay) {
  auto options = options_for(1);
  options.payload_bytes_per_worker = size_t{24} << 20;
  start(options);
  const Heard first = decode(wav_);
  std::vector<StreamHandle> held;
  for (uint64_t tag = 1; tag <= 2; ++tag) {
    held.push_back(begin(tag));
    append(held.back(), std::span(tagged_).first(tagged_.size() - 1));
  }
  ASSERT_TRUE(eventually([&] { return pool_->status().packets_put_off == 2; }));
  EXPECT_TRUE(recorder_.heard(1).items.size() < first.items.size() * 4 / 5);
  const Bytes other =
      read_file(encode(make_music(3 * kSeconds, 41), "-c:a pcm_s16le", "index_last.mov"));
  ASSERT_GT(other.size() + 2 * tagged_.size(), options.payload_bytes_per_worker);
  const auto [head, tail] =
      std::pair(std::span(other).first(size_t{9} << 20), std::span(other).subspan(size_t{9} << 20));
  const StreamHandle needy = begin(3);
  append(needy, head);
  // So they are decoded, but for what is not there yet.
  for (uint64_t tag = 1; tag <= 2; ++tag) {
    EXPECT_TRUE(recorder_.wait_for_items(tag, first.items.size() - 30));
  }
  ASSERT_TRUE(feed_whole(producer(), needy, tail));
  EXPECT_EQ(recorder_.wait_for_end(3)->end.outcome, DecodeOutcome::decoded);
  for (uint64_t tag = 1; tag <= 2; ++tag) {
    ASSERT_TRUE(feed_whole(producer(), held[tag - 1], std::span(tagged_).last(1)));
    const auto heard = recorder_.wait_for_end(tag);
    ASSERT_TRUE(heard);
    EXPECT_FALSE(heard->end.exact);
    expect_same(*heard, first);
  }
}

}  // namespace
}  // namespace soundgate::test
