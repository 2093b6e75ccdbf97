// Digests, and what is remembered under them: how long, how much, and what producers see of it.

#include "fingerprint/exact/known_uploads.h"

#include <gtest/gtest.h>

#include <numeric>
#include <vector>

namespace soundgate::exact {
namespace {

using Known = PrefixTable::Known;
using Remembered = KnownUploads::Remembered;

constexpr size_t kBytesMax = size_t{1} << 20;

std::vector<std::byte> bytes(size_t count, unsigned seed = 1) {
  std::vector<std::byte> bytes(count);
  for (std::byte& byte : bytes) byte = static_cast<std::byte>((seed = seed * 69069 + 1) >> 24);
  return bytes;
}

Digest digest_of(const DigestKey& key, std::span<const std::byte> body, size_t piece_bytes) {
  Digester digester;
  digester.begin(key);
  for (size_t at = 0; at < body.size(); at += piece_bytes) {
    digester.update(body.subspan(at, std::min(piece_bytes, body.size() - at)));
  }
  return digester.digest();
}

TEST(Digest, DependsOnTheBytesAndTheKeyAndNothingElse) {
  const DigestKey key = DigestKey::make(), other_key = DigestKey::make();
  for (const size_t count : {0u, 1u, 100u, 1000u, 300'000u}) {
    auto body = bytes(count);
    const Digest digest = digest_of(key, body, 1'000'000);
    EXPECT_EQ(digest_of(key, body, 7), digest) << count;
    EXPECT_NE(digest_of(other_key, body, 7), digest) << count;
    if (count == 0) continue;
    body[count / 2] ^= std::byte{1};
    EXPECT_NE(digest_of(key, body, 7), digest) << count;
  }
}

TEST(BodyDigester, GivesADigestAtEachCheckpoint) {
  const DigestKey key = DigestKey::make();
  const auto body = bytes(40'000);
  BodyDigester digester;
  digester.begin(key, 0, -1);
  std::vector<size_t> checkpoints;
  for (size_t at = 0; at < body.size();) {
    const size_t count = std::min<size_t>({1000, body.size() - at, digester.bytes_to_checkpoint()});
    if (digester.update(std::span(body).subspan(at, count))) checkpoints.push_back(at + count);
    at += count;
  }
  EXPECT_EQ(checkpoints, (std::vector<size_t>{4096, 8192, 16384, 32768}));
  // What probes were wanted belongs to it, and what size was announced.
  digester.begin(key, 0, -1);
  const Digest plain = digester.digest();
  digester.begin(key, 1, -1);
  EXPECT_NE(digester.digest(), plain);
  for (const int64_t size_bytes : {0, 1}) {
    digester.begin(key, 0, size_bytes);
    EXPECT_NE(digester.digest(), plain);
  }
}

TEST(PrefixTable, FindsWhatIsThereAndNotWhatIsNot) {
  PrefixTable table(1000);
  const auto digest = [](uint64_t i) { return Digest{i * 0x9e3779b97f4a7c15, i}; };
  for (uint64_t i = 1; i < 100; ++i) table.insert(digest(i), i % 2 == 0);
  for (uint64_t i = 1; i < 100; ++i) {
    EXPECT_EQ(table.find(digest(i)), i % 2 == 0 ? Known::kLong : Known::kShort);
  }
  for (uint64_t i = 1; i < 50; ++i) table.erase(digest(i));
  for (uint64_t i = 1; i < 50; ++i) EXPECT_EQ(table.find(digest(i)), Known::kNo);
  EXPECT_EQ(table.find(digest(50)), Known::kLong);
  for (uint64_t i = 0; i < 100'000; ++i) table.insert(digest(i), false);  // and ends
  EXPECT_EQ(table.find(digest(99'999)), Known::kShort);
}

class KnownUploadsTest : public testing::Test {
 protected:
  static BodyDigests digests(uint64_t number) {
    BodyDigests digests;
    digests.prefixes[0] = {number * 3, number};
    digests.prefix_count = 1;
    digests.whole = {number * 3 + 1000, number};
    return digests;
  }
  static Recording recording(Item first_item, size_t items = 100) {
    Recording recording;
    std::vector<Item> run(items);
    std::iota(run.begin(), run.end(), first_item);
    recording.append(kPlainView, 0, run, 0, 0);
    recording.end.decoded_seconds = recording.end.duration_seconds = 12;
    return recording;
  }
  Remembered remember(uint64_t number, Item first_item = 1, size_t items = 100) {
    return known_.remember(digests(number), {}, recording(first_item, items), maker_, now_);
  }
  const Recording* find(uint64_t number) { return known_.find(digests(number).whole, now_); }
  Known prefix(uint64_t number) { return known_.prefixes().find(digests(number).prefixes[0]); }

  KnownUploads known_{kBytesMax};
  uint64_t maker_ = known_.new_maker();
  KnownUploads::Clock::time_point now_{};
};

TEST_F(KnownUploadsTest, TellsWhatItWasTold) {
  EXPECT_EQ(find(1), nullptr);
  EXPECT_EQ(remember(1, 7), Remembered::kNew);
  ASSERT_NE(find(1), nullptr);
  EXPECT_TRUE(find(1)->same_items(recording(7)));
  EXPECT_EQ(prefix(1), Known::kShort);
  EXPECT_TRUE(known_.find_prefix(digests(1).prefixes[0], now_)->same_items(recording(7)));
  EXPECT_EQ(find(2), nullptr);
  EXPECT_EQ(prefix(2), Known::kNo);
  EXPECT_EQ(known_.find_prefix(digests(2).prefixes[0], now_), nullptr);
}

TEST_F(KnownUploadsTest, SomeBeginTheSame) {
  BodyDigests other = digests(2);
  other.prefixes[0] = digests(1).prefixes[0];
  const uint64_t dead = maker_;
  remember(1, 7);
  maker_ = known_.new_maker();
  known_.remember(other, {}, recording(8), maker_, now_);
  known_.forget_made_by(dead);
  EXPECT_TRUE(known_.find_prefix(other.prefixes[0], now_)->same_items(recording(8)));
  known_.forget_made_by(maker_);
  EXPECT_EQ(known_.find_prefix(other.prefixes[0], now_), nullptr);
}

// Songs of an album have one picture in front; and whoever wants to can make any number.
TEST_F(KnownUploadsTest, ThatManyBeginTheSameCostsNothing) {
  KnownUploads many(size_t{512} << 20);
  constexpr uint64_t kMany = 60'000;
  const uint64_t maker = many.new_maker();
  const auto begin = std::chrono::steady_clock::now();
  for (uint64_t number = 1; number <= kMany; ++number) {
    BodyDigests alike = digests(number);
    alike.prefixes[0] = digests(1).prefixes[0];
    many.remember(alike, {}, recording(1), maker, now_);
  }
  many.forget_made_by(maker);
  EXPECT_EQ(many.count(), 0u);
  EXPECT_LT(std::chrono::steady_clock::now() - begin, std::chrono::seconds(3));
}

TEST_F(KnownUploadsTest, WhatBeginsLikeAStaleOneIsNotPutOffForEver) {
  remember(1);
  now_ += kConfirmAfter + std::chrono::seconds(1);
  EXPECT_EQ(prefix(1), Known::kShort);
  EXPECT_EQ(known_.find_prefix(digests(1).prefixes[0], now_), nullptr);
  EXPECT_EQ(prefix(1), Known::kNo);
}

TEST_F(KnownUploadsTest, TheLeastRecentlyUsedGoesFirst) {
  constexpr size_t kItems = 3328;  // with what goes along 17 KiB: 60 fit
  for (uint64_t number = 1; number <= 60; ++number) remember(number, 1, kItems);
  ASSERT_NE(find(1), nullptr);
  for (uint64_t number = 61; number <= 80; ++number) remember(number, 1, kItems);
  EXPECT_NE(find(1), nullptr);
  EXPECT_EQ(find(2), nullptr);
  EXPECT_EQ(prefix(2), Known::kNo);
  EXPECT_NE(find(80), nullptr);
  EXPECT_LE(known_.bytes(), kBytesMax);
  EXPECT_EQ(known_.count(), 60u);
  EXPECT_EQ(remember(100, 1, kBytesMax / sizeof(Item) / kEntryShareMax + 1), Remembered::kTooLarge);
}

TEST_F(KnownUploadsTest, WhatIsBeingRecordedIsBounded) {
  EXPECT_TRUE(known_.reserve(kBytesMax / kRecordingShareMax));
  EXPECT_FALSE(known_.reserve(1));
  known_.release(10);
  EXPECT_TRUE(known_.reserve(10));
}

// A worker that lies does so for a bounded number of uploads, and not after its death.
TEST_F(KnownUploadsTest, NothingIsBelievedForEver) {
  remember(1);
  for (uint32_t served = 0; served < kServedMax; ++served) ASSERT_NE(find(1), nullptr);
  EXPECT_EQ(prefix(1), Known::kNo);  // the next one is decoded as it comes
  EXPECT_EQ(find(1), nullptr);
  EXPECT_EQ(remember(1), Remembered::kConfirmed);
  EXPECT_EQ(prefix(1), Known::kShort);
  EXPECT_NE(find(1), nullptr);
  now_ += kConfirmAfter + std::chrono::seconds(1);
  EXPECT_EQ(find(1), nullptr);
  EXPECT_EQ(remember(1, 2), Remembered::kContradicted);
  EXPECT_EQ(find(1), nullptr);
  EXPECT_EQ(known_.count(), 0u);
  EXPECT_EQ(known_.bytes(), 0u);
}

// Which may be reckoned from the announced size.
TEST_F(KnownUploadsTest, AnotherLengthIsNoContradiction) {
  remember(1);
  Recording same = recording(1);
  same.end.duration_seconds += 0.01;
  EXPECT_EQ(known_.remember(digests(1), {}, same, maker_, now_), Remembered::kConfirmed);
  same.end.decoded_seconds += 0.01;
  EXPECT_EQ(known_.remember(digests(1), {}, same, maker_, now_), Remembered::kContradicted);
}

TEST_F(KnownUploadsTest, WhatAWorkerMadeGoesWithIt) {
  remember(1);
  const uint64_t dead = maker_;
  maker_ = known_.new_maker();
  remember(2);
  known_.forget_made_by(dead);
  EXPECT_EQ(find(1), nullptr);
  EXPECT_EQ(prefix(1), Known::kNo);
  EXPECT_NE(find(2), nullptr);
}

// By bodies and packets: which is the same for all, in bodies that differ.
class KnownPacketsTest : public KnownUploadsTest {
 protected:
  static PacketDigests packets(uint64_t number) {
    PacketDigests packets = digests(number + 1'000'000);
    packets.prefixes[1] = {number * 5, number};
    packets.prefix_count = 2;
    return packets;
  }
  Remembered remember(uint64_t body, uint64_t number, uint64_t maker, Item first_item = 1) {
    return known_.remember(digests(body), packets(number), recording(first_item), maker, now_);
  }
  bool knows(uint64_t number, uint64_t asker) {
    const bool begin = known_.find_packets_prefix(packets(number).prefixes[1], asker, now_);
    const bool all = known_.find_packets(packets(number).whole, asker, now_);
    EXPECT_EQ(begin, all);
    return all;
  }

  const uint64_t first_ = known_.new_maker(), second_ = known_.new_maker(),
                 third_ = known_.new_maker();
};

TEST_F(KnownPacketsTest, AreBelievedOfTheirMakerAndOfAllOnceASecondHasMadeThem) {
  EXPECT_EQ(remember(1, 1, first_), Remembered::kNew);
  EXPECT_TRUE(knows(1, first_));
  EXPECT_FALSE(knows(1, second_));
  EXPECT_EQ(remember(2, 1, first_), Remembered::kConfirmed);  // it has only said it twice
  EXPECT_FALSE(knows(1, second_));
  EXPECT_EQ(remember(3, 1, second_), Remembered::kConfirmed);
  EXPECT_TRUE(knows(1, third_));
  EXPECT_EQ(known_.count(), 1u);  // one recording for them all
  EXPECT_EQ(find(3), nullptr);
}

TEST_F(KnownPacketsTest, GoWithTheirMakersOneByOne) {
  remember(1, 1, first_);
  remember(1, 1, second_);
  known_.forget_made_by(second_);
  EXPECT_TRUE(knows(1, first_));
  EXPECT_FALSE(knows(1, third_));
  remember(1, 1, second_);
  EXPECT_TRUE(knows(1, third_));
  known_.forget_made_by(first_);
  EXPECT_FALSE(knows(1, second_));
  EXPECT_EQ(known_.count(), 0u);
}

TEST_F(KnownPacketsTest, AreForgottenWhereTwoSayOtherItems) {
  remember(1, 1, first_, 7);
  EXPECT_EQ(remember(2, 1, second_, 8), Remembered::kContradicted);
  EXPECT_FALSE(knows(1, first_));
  EXPECT_EQ(find(1), nullptr);
  EXPECT_EQ(find(2), nullptr);
  EXPECT_EQ(known_.bytes(), 0u);
}

TEST_F(KnownPacketsTest, AreForgottenWhereTheSameBytesHaveOthers) {
  remember(1, 1, first_);
  EXPECT_EQ(remember(1, 2, second_), Remembered::kContradicted);
  EXPECT_FALSE(knows(1, first_));
  EXPECT_FALSE(knows(2, second_));
}

// It says the truth of all, which another one confirms, and something else of how that begins.
TEST_F(KnownPacketsTest, AreTheSameFromTheirBeginning) {
  PacketDigests begins_like_others = packets(1);
  begins_like_others.prefixes[1] = packets(2).prefixes[1];
  known_.remember(digests(1), begins_like_others, recording(1), first_, now_);
  EXPECT_EQ(remember(2, 1, second_), Remembered::kContradicted);
  EXPECT_EQ(known_.find_packets_prefix(packets(2).prefixes[1], third_, now_), nullptr);
  // Or of how little of it the items depend on.
  Recording soon = recording(1, 10);
  const std::vector<Item> rest(90, 7);
  Recording late = soon;
  soon.append(kPlainView, 10, rest, 0, 0);
  late.append(kPlainView, 10, rest, 0, 1);
  known_.remember(digests(3), packets(3), soon, first_, now_);
  EXPECT_EQ(known_.remember(digests(4), packets(3), late, second_, now_),
            Remembered::kContradicted);
}

TEST_F(KnownPacketsTest, AreNotAlwaysSaid) {
  remember(1, 1, first_);
  EXPECT_EQ(known_.remember(digests(1), {}, recording(1), second_, now_), Remembered::kConfirmed);
  EXPECT_FALSE(knows(1, second_));
}

// A worker that lies puts out what nobody else has vouched for, and no more.
TEST_F(KnownPacketsTest, OfTwoMakersAreNotPutOutByAThird) {
  remember(1, 1, first_, 7);
  remember(2, 1, second_, 7);
  EXPECT_EQ(remember(3, 1, third_, 8), Remembered::kContradicted);
  EXPECT_TRUE(knows(1, third_));
  PacketDigests begins_alike = packets(2);
  begins_alike.prefixes = packets(1).prefixes;
  known_.remember(digests(4), begins_alike, recording(9), third_, now_);
  EXPECT_TRUE(
      known_.find_packets_prefix(packets(1).prefixes[0], first_, now_)->same_items(recording(7)));
}

TEST_F(KnownPacketsTest, AreNotBelievedForEver) {
  remember(1, 1, first_);
  for (uint32_t served = 0; served < kServedMax; ++served) ASSERT_TRUE(knows(1, first_));
  EXPECT_FALSE(knows(1, first_));
  EXPECT_EQ(remember(2, 1, first_), Remembered::kConfirmed);
  EXPECT_TRUE(knows(1, first_));
  now_ += kConfirmAfter + std::chrono::seconds(1);
  EXPECT_FALSE(knows(1, first_));
}

TEST_F(KnownUploadsTest, ProducersAreToldWhatTakesLongToDecode) {
  Recording long_one = recording(1);
  long_one.end.duration_seconds = kLongSeconds + 1;
  known_.remember(digests(1), {}, long_one, maker_, now_);
  EXPECT_EQ(prefix(1), Known::kLong);
}

}  // namespace
}  // namespace soundgate::exact
