// Streams that are divided among workers, with no workers: who gets which bytes, and when.

#include "fingerprint/decode/host/divisions.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstring>

#include "fingerprint/decode/worker/byte_source.h"

namespace soundgate::decode {
namespace {

using Append = StreamProducer::Append;

constexpr uint32_t kBlocks = 64;
constexpr uint64_t kBurstBytes = 4 * kBlockBytes;

class DivisionsTest : public testing::Test {
 protected:
  void SetUp() override {
    for (int i = 0; i < 3; ++i) {
      workers_.push_back(std::make_unique<WorkerMemory>(
          Geometry{.slot_count = 4, .block_count = kBlocks, .circular_entries = kBlocks},
          std::vector<Partition>{{0, 4, 0, kBlocks, false}}, 0, 1000));
      workers_.back()->at_work = i < 2;  // the third would be free, but is dead
      shares_.emplace_back(*workers_.back(), 0);
    }
    first_ = {0, shares_[0].begin(7, -1).value()};
  }

  static std::vector<std::byte> bytes(size_t count, size_t from) {
    std::vector<std::byte> bytes(count);
    for (size_t i = 0; i < count; ++i) bytes[i] = static_cast<std::byte>((from + i) % 251);
    return bytes;
  }
  Append append(size_t count) {
    const auto next = bytes(count, sent_);
    const Append taken = divisions_.is_divided(first_) ? divisions_.append(first_, next)
                                                       : shares_[0].append(first_.stream, next);
    if (taken == Append::kTaken) sent_ += count;
    if (taken == Append::kTaken && !divisions_.is_divided(first_)) divisions_.consider(first_);
    return taken;
  }
  void burst() {
    while (!divisions_.is_divided(first_) && sent_ < 2 * kBurstBytes) append(kBlockBytes / 2);
    ASSERT_TRUE(divisions_.is_divided(first_));
  }
  Slot& slot_of(size_t worker, uint32_t slot = 0) { return workers_[worker]->payload().slot(slot); }
  uint64_t bytes_of(size_t worker) { return slot_of(worker).appended_bytes.load(); }
  // What a worker reads.
  std::vector<std::byte> read(size_t worker) {
    const PayloadView view(workers_[worker]->memory().data());
    const ByteSource source(view, 0, slot_of(worker).generation);
    std::vector<uint8_t> all(bytes_of(worker));
    for (size_t at = 0; at < all.size();) {
      const auto result = source.read(at, std::span(all).subspan(at));
      if (result.state != ByteSource::State::kBytes) return {};
      at += result.bytes;
    }
    const auto view_of_all = std::as_bytes(std::span(all));
    return {view_of_all.begin(), view_of_all.end()};
  }
  void consumed(size_t worker, uint64_t count) {
    workers_[worker]->control(0).consumed_bytes.store(count);
  }
  void ended(const Placed& stream) {
    slot_of(stream.worker).closed_generation.store(stream.stream.generation);
    workers_[stream.worker]->ended(0).push(stream.stream.slot);
  }

  std::vector<std::unique_ptr<WorkerMemory>> workers_;
  std::deque<Share> shares_;
  PoolCounters counters_;
  Divisions divisions_{shares_, counters_, kBurstBytes};
  Placed first_{};
  size_t sent_ = 0;
};

TEST_F(DivisionsTest, AHelperGetsAllBytesPieceByPiece) {
  burst();
  EXPECT_EQ(counters_.divided, 1u);
  EXPECT_EQ(bytes_of(1), 0u);
  EXPECT_EQ(bytes_of(2), 0u);
  append(1000);
  EXPECT_EQ(bytes_of(1), kCopyBytesMax + 1000);
  while (bytes_of(1) < sent_) ASSERT_EQ(append(1000), Append::kTaken);
  append(5);
  EXPECT_EQ(bytes_of(1), sent_);
  divisions_.finish(first_);
  EXPECT_TRUE(slot_of(0).flags & Slot::kFinished);
  EXPECT_TRUE(slot_of(1).flags & Slot::kFinished);
  EXPECT_EQ(read(1), bytes(sent_, 0));
  EXPECT_EQ(workers_[1]->control(0).tag, 7u);
  EXPECT_EQ(workers_[1]->control(0).division, workers_[0]->control(0).division);
  const Division first = unpack_division(slot_of(0).division);
  const Division second = unpack_division(slot_of(1).division);
  EXPECT_EQ(first.count, 2);
  EXPECT_EQ(second.count, 2);
  EXPECT_EQ(first.index, 0);
  EXPECT_EQ(second.index, 1);
}

TEST_F(DivisionsTest, AHelperGetsTheRestAtTheEnd) {
  burst();
  divisions_.finish(first_);
  EXPECT_EQ(read(1), bytes(sent_, 0));
  EXPECT_TRUE(slot_of(1).flags & Slot::kFinished);
}

TEST_F(DivisionsTest, GoesOnWhereBothConsume) {
  burst();
  while (sent_ < 3 * kBlocks * kBlockBytes) {
    ASSERT_EQ(append(kBlockBytes / 2), Append::kTaken);
    consumed(0, sent_);
    consumed(1, bytes_of(1));
  }
}

TEST_F(DivisionsTest, NobodyHelpsWithWhatIsDecodedAsItComes) {
  while (sent_ < 3 * kBurstBytes) {
    append(kBlockBytes / 2);
    consumed(0, sent_ - kBlockBytes / 2);
  }
  EXPECT_FALSE(divisions_.is_divided(first_));
}

TEST_F(DivisionsTest, NobodyHelpsWhoIsBusy) {
  const Share::Stream other = shares_[1].begin(8, -1).value();
  shares_[1].append(other, bytes(kBlockBytes + kFreeBacklogBytes + 1, 0));
  while (sent_ < kBurstBytes) append(kBlockBytes / 2);
  EXPECT_FALSE(divisions_.is_divided(first_));
  consumed(1, 1);  // there is time again
  append(kBlockBytes + 1);
  EXPECT_TRUE(divisions_.is_divided(first_));
}

// The blocks of one that has ended are gone; who has all goes on alone.
TEST_F(DivisionsTest, AHelperOutlivesTheFirst) {
  burst();
  while (bytes_of(1) < sent_) ASSERT_EQ(append(1000), Append::kTaken);
  ended(first_);
  EXPECT_EQ(append(3000), Append::kTaken);
  divisions_.finish(first_);
  EXPECT_EQ(read(1), bytes(sent_, 0));
  EXPECT_TRUE(slot_of(1).flags & Slot::kFinished);
}

TEST_F(DivisionsTest, AHelperThatCannotHaveAllIsLeftOut) {
  burst();
  ended(first_);  // before it has got any
  EXPECT_EQ(append(3000), Append::kDone);
  EXPECT_TRUE(slot_of(1).flags & Slot::kCancelled);
}

TEST_F(DivisionsTest, AHelperWithoutRoomIsLeftOutAtTheEnd) {
  burst();
  const Share::Stream other = shares_[1].begin(8, -1).value();
  for (uint32_t i = 0; i < kBlocks; ++i) shares_[1].append(other, bytes(kBlockBytes, 0));
  append(1000);
  EXPECT_EQ(bytes_of(1), 0u);
  divisions_.finish(first_);
  EXPECT_TRUE(slot_of(0).flags & Slot::kFinished);
  EXPECT_TRUE(slot_of(1).flags & Slot::kCancelled);
}

TEST_F(DivisionsTest, CancelsAll) {
  burst();
  divisions_.cancel(first_);
  EXPECT_TRUE(slot_of(0).flags & Slot::kCancelled);
  EXPECT_TRUE(slot_of(1).flags & Slot::kCancelled);
}

}  // namespace
}  // namespace soundgate::decode
