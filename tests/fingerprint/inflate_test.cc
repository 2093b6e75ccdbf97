// Streams with a coding: the items are those of what was coded, and what is broken is said to be.
#include <gtest/gtest.h>
#include <zlib.h>

#include "tests/fingerprint/pool_recorder.h"
#include "tests/fingerprint/test_audio.h"

namespace soundgate::test {
namespace {

constexpr int kGzipBits = MAX_WBITS + 16;

Bytes packed(std::span<const std::byte> bytes, int window_bits = kGzipBits, int level = 6,
             const std::string& name = "") {
  z_stream stream{};
  EXPECT_EQ(deflateInit2(&stream, level, Z_DEFLATED, window_bits, 8, Z_DEFAULT_STRATEGY), Z_OK);
  gz_header header{};
  std::string text = name;
  header.name = reinterpret_cast<Bytef*>(text.data());
  if (!name.empty()) deflateSetHeader(&stream, &header);
  Bytes out(deflateBound(&stream, bytes.size()) + name.size());
  stream.next_in = reinterpret_cast<Bytef*>(const_cast<std::byte*>(bytes.data()));
  stream.avail_in = static_cast<uInt>(bytes.size());
  stream.next_out = reinterpret_cast<Bytef*>(out.data());
  stream.avail_out = static_cast<uInt>(out.size());
  EXPECT_EQ(deflate(&stream, Z_FINISH), Z_STREAM_END);
  out.resize(stream.total_out);
  deflateEnd(&stream);
  return out;
}

Bytes joined(Bytes first, const Bytes& second) {
  first.insert(first.end(), second.begin(), second.end());
  return first;
}

Bytes text_bytes(const std::string& text) {
  const auto bytes = std::as_bytes(std::span(text));
  return {bytes.begin(), bytes.end()};
}

std::string test_file(const std::string& extension) {
  return encode(make_music(20, 11), "", "inflate." + extension).string();
}

class Inflate : public testing::Test {
 protected:
  void SetUp() override {
    DecoderPool::Options options;
    options.worker_path = SOUNDGATE_DECODER;
    options.worker_count = 1;
    options.known_bytes_max = size_t{8} << 20;
    pool_ = DecoderPool::start(options, recorder_).value();
  }

  Heard hear(std::span<const std::byte> bytes, StreamCoding coding, size_t piece_bytes = 1'400) {
    const uint64_t tag = ++last_tag_;
    StreamProducer& producer = pool_->producer(0);
    const auto size = static_cast<int64_t>(bytes.size());
    const StreamHandle stream = coding == StreamCoding::kNone
                                    ? producer.begin(tag, size).value()
                                    : producer.begin_coded(tag, size, coding).value();
    EXPECT_TRUE(feed_whole(producer, stream, bytes, piece_bytes));
    return recorder_.wait_for_end(tag).value();
  }
  DecodeOutcome outcome(std::span<const std::byte> bytes,
                        StreamCoding coding = StreamCoding::kGzip) {
    return hear(bytes, coding).end.outcome;
  }

  PoolRecorder recorder_;
  std::unique_ptr<DecoderPool> pool_;
  uint64_t last_tag_ = 0;
};

TEST_F(Inflate, TheItemsAreThoseOfWhatWasCoded) {
  for (const char* extension : {"wav", "mp3", "flac", "m4a", "ogg"}) {
    const Bytes plain = read_file(test_file(extension));
    ASSERT_FALSE(plain.empty()) << extension;
    const Heard wanted = hear(plain, StreamCoding::kNone);
    ASSERT_FALSE(wanted.items.empty());
    for (const auto& [bits, coding] : {std::pair{kGzipBits, StreamCoding::kGzip},
                                       {MAX_WBITS, StreamCoding::kDeflate},
                                       {MAX_WBITS, StreamCoding::kGzip}}) {
      for (const int level : {0, 6}) {
        const Heard heard = hear(packed(plain, bits, level), coding);
        EXPECT_EQ(heard.items, wanted.items) << extension;
        EXPECT_EQ(heard.end.outcome, wanted.end.outcome) << name(heard.end.outcome);
      }
    }
  }
}

TEST_F(Inflate, HoweverItIsCut) {
  const Bytes plain = read_file(test_file("mp3"));
  const Heard wanted = hear(plain, StreamCoding::kNone);
  const Bytes coded = packed(plain, kGzipBits, 6, "a name");
  for (const size_t piece : {1, 7, 5'000, 60'000}) {
    EXPECT_EQ(hear(coded, StreamCoding::kGzip, piece).items, wanted.items) << piece;
  }
}

TEST_F(Inflate, MembersFollowEachOther) {
  const Bytes plain = read_file(test_file("mp3"));
  const auto half = static_cast<std::ptrdiff_t>(plain.size() / 2);
  const Bytes coded = joined(packed({plain.begin(), plain.begin() + half}),
                             packed({plain.begin() + half, plain.end()}));
  EXPECT_EQ(hear(coded, StreamCoding::kGzip).items, hear(plain, StreamCoding::kNone).items);
}

// An origin that does not look at the header stores the bytes as they are.
TEST_F(Inflate, WhatIsNotCodedIsDecodedAsItIs) {
  const Bytes plain = read_file(test_file("mp3"));
  EXPECT_EQ(hear(plain, StreamCoding::kGzip).items, hear(plain, StreamCoding::kNone).items);
  EXPECT_EQ(outcome(text_bytes("plain text, and nothing else")), DecodeOutcome::not_audio);
  EXPECT_EQ(outcome(packed(text_bytes("coded text, and nothing else"))), DecodeOutcome::not_audio);
  EXPECT_EQ(outcome(text_bytes("x")), DecodeOutcome::not_audio);
}

TEST_F(Inflate, WhatIsBrokenIsSaidToBe) {
  const Bytes plain = read_file(test_file("wav"));
  const Bytes coded = packed(plain);
  constexpr auto kBroken = DecodeOutcome::decoder_inflate;
  EXPECT_EQ(outcome(std::span(coded).first(coded.size() / 2)), kBroken);
  EXPECT_EQ(outcome(std::span(coded).first(coded.size() - 1)), kBroken);
  EXPECT_EQ(outcome(joined(coded, text_bytes("behind"))), kBroken);
  Bytes changed = coded;
  changed[changed.size() - 6] ^= std::byte{1};  // its checksum
  EXPECT_EQ(outcome(changed), kBroken);
  changed = coded;
  changed[10] = std::byte{0xff};
  EXPECT_EQ(outcome(changed), kBroken);
  // What hides in a header: nobody's decoder looks at it, and some origins store it as audio.
  EXPECT_EQ(outcome(packed(plain, kGzipBits, 6, std::string(5'000, 'a'))), kBroken);
  EXPECT_EQ(outcome(packed(plain, -MAX_WBITS), StreamCoding::kDeflate), kBroken);
}

TEST_F(Inflate, ABombIsBroken) {
  const Bytes zeros(size_t{64} << 20);
  EXPECT_EQ(outcome(packed(zeros)), DecodeOutcome::not_audio);  // its beginning is enough
  const std::string header(
      "RIFF\xff\xff\xff\x7fWAVEfmt \x10\0\0\0\1\0\2\0\x44\xac\0\0\x10\xb1\2\0\4\0\x10\0"
      "data\xff\xff\xff\x7f",
      44);
  EXPECT_EQ(outcome(packed(joined(text_bytes(header), zeros))), DecodeOutcome::decoder_inflate);
  const Bytes plain = read_file(test_file("mp3"));  // a neighbour, afterwards, is not disturbed
  EXPECT_FALSE(hear(plain, StreamCoding::kNone).items.empty());
}

// The same bytes, coded and not, are not the same upload.
TEST_F(Inflate, IsKnownAgainByItsCoding) {
  const Bytes plain = read_file(test_file("wav"));
  const Bytes coded = packed(plain);
  const Heard first = hear(coded, StreamCoding::kGzip);
  const Heard again = hear(coded, StreamCoding::kGzip);
  EXPECT_FALSE(first.end.exact);
  EXPECT_TRUE(again.end.exact);
  EXPECT_EQ(again.items, first.items);
  EXPECT_EQ(hear(coded, StreamCoding::kNone).end.outcome, DecodeOutcome::not_audio);
}

}  // namespace
}  // namespace soundgate::test
