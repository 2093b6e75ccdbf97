// The queue of stored bytes against a naive model: a map from offset to byte.
#include "dataplane/tcp/byte_queue.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <random>
#include <vector>

#include "dataplane/tcp/sequence.h"

namespace soundgate {
namespace {

using Model = std::map<uint64_t, std::byte>;

std::vector<std::byte> random_bytes(std::mt19937& random, size_t count) {
  std::vector<std::byte> bytes(count);
  for (std::byte& byte : bytes) byte = static_cast<std::byte>(random() & 0xFF);
  return bytes;
}

void expect_same(const BufferPool& pool, const ByteQueue& queue, const Model& model, uint64_t from,
                 uint64_t to) {
  std::vector<std::byte> out(1);
  for (uint64_t offset = from; offset < to; ++offset) {
    const size_t copied = queue.copy(pool, offset, out);
    const auto found = model.find(offset);
    ASSERT_EQ(copied == 1, found != model.end()) << offset;
    ASSERT_TRUE(copied == 0 || out[0] == found->second) << offset;
    const auto next = model.lower_bound(offset);
    ASSERT_EQ(queue.next_stored(pool, offset), next == model.end() ? kNoOffset : next->first);
  }
}

// Where streams begin, and where 32 bits and 62 end.
constexpr uint64_t kPlaces[] = {0, (uint64_t{1} << 32) - 6'000, (uint64_t{1} << 62) - 6'000};

TEST(ByteQueue, KeepsTheFirstBytesLikeANaiveModel) {
  for (uint32_t seed = 1; seed <= 60; ++seed) {
    SCOPED_TRACE(seed);
    std::mt19937 random(seed);
    BufferPool pool(1'024);
    ByteQueue queue;
    Model model;
    uint64_t released = kPlaces[seed % std::size(kPlaces)];
    for (int step = 0; step < 40; ++step) {
      const uint64_t offset = released + random() % 12'000;
      std::vector<std::byte> bytes = random_bytes(random, 1 + random() % 1'500);
      size_t differing = 0;
      for (size_t i = 0; i < bytes.size(); ++i) {
        const auto found = model.find(offset + i);
        if (found != model.end() && found->second != bytes[i]) ++differing;
      }
      ASSERT_EQ(queue.impose_on(pool, offset, bytes), differing);
      ASSERT_TRUE(queue.insert(pool, offset, bytes));
      for (size_t i = 0; i < bytes.size(); ++i) model.emplace(offset + i, bytes[i]);
      if (random() % 8 == 0) {
        released += random() % 2'000;
        queue.release_below(pool, released);
        // A buffer goes as a whole: what is below the line may or may not be there.
        model.erase(model.begin(), model.lower_bound(released));
      }
    }
    expect_same(pool, queue, model, released, released + 14'000);
    queue.clear(pool);
    EXPECT_EQ(pool.free_count(), pool.count());
  }
}

// What found room stays, whatever else did not: it may have gone to the origin.
TEST(ByteQueue, KeepsWhatItHasLikeANaiveModelWhenRoomIsShort) {
  for (uint32_t seed = 1; seed <= 60; ++seed) {
    SCOPED_TRACE(seed);
    std::mt19937 random(seed);
    BufferPool pool(12);
    ByteQueue queue;
    Model model;
    uint64_t released = kPlaces[seed % std::size(kPlaces)];
    for (int step = 0; step < 80; ++step) {
      const uint64_t offset = released + random() % 9'000;
      const std::vector<std::byte> bytes = random_bytes(random, 1 + random() % 2'500);
      const auto claim = random() % 4 == 0 ? ByteQueue::Claim::kReserve : ByteQueue::Claim::kShare;
      const bool all = queue.insert(pool, offset, bytes, claim);
      std::vector<std::byte> out(1);
      for (size_t i = 0; i < bytes.size(); ++i) {
        const bool is_there = queue.copy(pool, offset + i, out) == 1;
        ASSERT_TRUE(is_there || !all);
        if (is_there) model.emplace(offset + i, bytes[i]);
        ASSERT_TRUE(is_there || !model.contains(offset + i));
      }
      if (random() % 4 == 0) {
        released += random() % 4'000;
        queue.release_below(pool, released);
        model.erase(model.begin(), model.lower_bound(released));
      }
    }
    expect_same(pool, queue, model, released, released + 12'000);
    EXPECT_LE(queue.buffer_count(), pool.count());
    queue.clear(pool);
    EXPECT_EQ(pool.free_count(), pool.count());
  }
}

TEST(ByteQueue, SaysWhenThereIsNoRoom) {
  BufferPool pool(8);
  ByteQueue queue;
  const std::vector<std::byte> bytes(4 * kBufferBytes);
  EXPECT_FALSE(queue.insert(pool, 0, bytes));  // a flow gets its share of what is free
  EXPECT_GE(queue.end(pool), kBufferBytes);
  queue.clear(pool);
  EXPECT_EQ(pool.free_count(), 8u);
}

TEST(ByteQueue, ThePoolKeepsAReserveForWhatIsNextInOrder) {
  BufferPool pool(16);
  std::vector<ByteQueue> queues(17);
  const std::vector<std::byte> bytes(kBufferBytes);
  size_t stored = 0;
  while (queues[stored].insert(pool, 0, bytes)) ++stored;
  EXPECT_EQ(pool.free_count(), 16 / kPoolReserveShare);
  EXPECT_FALSE(queues[0].insert(pool, kBufferBytes, bytes));
  EXPECT_TRUE(queues[0].insert(pool, kBufferBytes, bytes, ByteQueue::Claim::kReserve));
  for (ByteQueue& queue : queues) queue.clear(pool);
  EXPECT_EQ(pool.free_count(), pool.count());
}

// A text at any place, also across buffers and where pieces of a search meet; not across a gap.
TEST(ByteQueue, ContainsATextWhereItHasAllOfIt) {
  const std::vector<std::byte> text(70, std::byte{7});
  constexpr uint64_t kBytes = 5 * kBufferBytes;
  for (uint64_t place = 0; place + text.size() <= kBytes; place += 13) {
    BufferPool pool(256);
    ByteQueue queue;
    std::vector<std::byte> bytes(kBytes);
    std::copy(text.begin(), text.end(), bytes.begin() + static_cast<ptrdiff_t>(place));
    ASSERT_TRUE(queue.insert(pool, 1'000, bytes));
    const uint64_t begin = 1'000 + place;
    const uint64_t end = begin + text.size();
    EXPECT_TRUE(queue.contains(pool, 0, kNoOffset, text)) << place;
    EXPECT_TRUE(queue.contains(pool, begin, end, text)) << place;
    EXPECT_FALSE(queue.contains(pool, begin + 1, kNoOffset, text)) << place;
    EXPECT_FALSE(queue.contains(pool, 0, end - 1, text)) << place;
    queue.clear(pool);
  }
  BufferPool pool(8);
  ByteQueue queue;
  ASSERT_TRUE(queue.insert(pool, 0, std::span(text).first(30)));
  ASSERT_TRUE(queue.insert(pool, 31, std::span(text).subspan(30)));
  EXPECT_FALSE(queue.contains(pool, 0, kNoOffset, text));
  EXPECT_FALSE(queue.contains(pool, 200, kNoOffset, text));
  queue.clear(pool);
}

TEST(Sequence, OffsetsSurviveTheWrap) {
  const uint32_t first = 0xFFFF'FF00;
  EXPECT_EQ(offset_of(first, first, 0), 0u);
  EXPECT_EQ(offset_of(0x10, first, 0), 0x110u);
  EXPECT_TRUE(before(offset_of(first - 1, first, 0), 0));
  const uint64_t far = (uint64_t{7} << 32) + 5;
  EXPECT_EQ(offset_of(sequence_of(far + 1'000, first), first, far), far + 1'000);
  EXPECT_EQ(offset_of(sequence_of(far - 1'000, first), first, far), far - 1'000);
}

}  // namespace
}  // namespace soundgate
