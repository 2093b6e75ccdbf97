// A producer's share of a worker, with no worker: what lies where, what is evicted, what is full.

#include "fingerprint/decode/host/share.h"

#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/mman.h>

#include <cstring>
#include <vector>

#include "fingerprint/decode/host/producer.h"
#include "fingerprint/decode/worker/byte_source.h"

namespace soundgate::decode {
namespace {

using Append = StreamProducer::Append;

constexpr uint32_t kBlocks = 16;
constexpr uint32_t kSlots = 4;

class ShareTest : public testing::Test {
 protected:
  static std::vector<std::byte> bytes(size_t count, unsigned first = 0) {
    std::vector<std::byte> bytes(count);
    for (size_t i = 0; i < count; ++i) bytes[i] = static_cast<std::byte>((first + i) % 251);
    return bytes;
  }
  Share::Stream begin() { return share_.begin(1, -1).value(); }
  Append append_blocks(Share::Stream stream, size_t blocks) {
    Append last = Append::kTaken;
    for (size_t i = 0; i < blocks && last == Append::kTaken; ++i) {
      last = share_.append(stream, bytes(kBlockBytes, static_cast<unsigned>(i)));
    }
    return last;
  }
  // What the collector does when a worker says so.
  void consumed(Share::Stream stream, uint64_t blocks) {
    worker_.control(stream.slot).consumed_bytes.store(blocks * kBlockBytes);
  }
  void ended(Share::Stream stream) {
    worker_.payload().slot(stream.slot).closed_generation.store(stream.generation);
    worker_.ended(0).push(stream.slot);
  }
  ByteSource source(Share::Stream stream) {
    return ByteSource(view_, stream.slot, stream.generation);
  }

  WorkerMemory worker_{{.slot_count = kSlots, .block_count = kBlocks, .circular_entries = 12},
                       {{.first_slot = 0,
                         .slot_count = kSlots,
                         .first_block = 0,
                         .block_count = kBlocks,
                         .can_wait = false}},
                       0,
                       1000};
  Share share_{worker_, 0};
  PayloadView view_{worker_.memory().data()};
};

TEST_F(ShareTest, BytesAreFoundWhereTheyWerePut) {
  const Share::Stream stream = begin();
  const auto sent = bytes(3 * kBlockBytes + 1000);
  for (size_t at = 0; at < sent.size(); at += 9999) {
    const size_t count = std::min<size_t>(9999, sent.size() - at);
    ASSERT_EQ(share_.append(stream, std::span(sent).subspan(at, count)), Append::kTaken);
  }
  std::vector<uint8_t> received(sent.size());
  for (size_t at = 0; at < received.size();) {
    const auto result = source(stream).read(at, std::span(received).subspan(at));
    ASSERT_EQ(result.state, ByteSource::State::kBytes);
    at += result.bytes;
  }
  EXPECT_EQ(std::memcmp(received.data(), sent.data(), sent.size()), 0);
  EXPECT_EQ(source(stream).state_at(sent.size()), ByteSource::State::kNotYet);
  share_.finish(stream);
  EXPECT_EQ(source(stream).state_at(sent.size()), ByteSource::State::kEnd);
}

TEST_F(ShareTest, IsFullWhenNothingIsConsumed) {
  const Share::Stream stream = begin();
  EXPECT_EQ(append_blocks(stream, 14), Append::kTaken);  // all entries of its table
  EXPECT_EQ(append_blocks(stream, 1), Append::kFull);
  EXPECT_EQ(source(stream).state_at(14 * kBlockBytes), ByteSource::State::kNoRoom);
  consumed(stream, 3);
  EXPECT_EQ(append_blocks(stream, 1), Append::kTaken);
  EXPECT_EQ(source(stream).state_at(15 * kBlockBytes), ByteSource::State::kNotYet);
}

TEST_F(ShareTest, EvictsWhatWasConsumedButNotTheHeader) {
  const Share::Stream stream = begin();
  append_blocks(stream, 14);
  consumed(stream, 10);
  EXPECT_EQ(append_blocks(stream, 4), Append::kTaken);
  EXPECT_EQ(source(stream).state_at(0), ByteSource::State::kBytes);
  EXPECT_EQ(source(stream).state_at((kHeaderBlocks - 1) * kBlockBytes), ByteSource::State::kBytes);
  EXPECT_EQ(source(stream).state_at(kHeaderBlocks * kBlockBytes), ByteSource::State::kEvicted);
  EXPECT_EQ(source(stream).next_kept(), 10 * kBlockBytes);
  EXPECT_EQ(source(stream).state_at(10 * kBlockBytes), ByteSource::State::kBytes);
}

TEST_F(ShareTest, TakesRoomFromANeighbourThatDoesNotNeedIt) {
  const Share::Stream first = begin();
  const Share::Stream second = begin();
  append_blocks(first, 12);
  EXPECT_EQ(append_blocks(second, 5), Append::kFull);
  consumed(first, 8);
  EXPECT_EQ(append_blocks(second, 5), Append::kTaken);
}

TEST_F(ShareTest, OnlyTheLargestHolderIsToldThatThereIsNoRoom) {
  const Share::Stream large = begin();
  const Share::Stream small = begin();
  append_blocks(large, 12);
  append_blocks(small, 4);
  EXPECT_EQ(append_blocks(small, 1), Append::kFull);
  EXPECT_EQ(source(small).state_at(4 * kBlockBytes), ByteSource::State::kNotYet);
  EXPECT_EQ(append_blocks(large, 1), Append::kFull);
  EXPECT_EQ(source(large).state_at(12 * kBlockBytes), ByteSource::State::kNoRoom);
}

TEST_F(ShareTest, BlocksComeBackWhenAStreamEnds) {
  for (int round = 0; round < 20; ++round) {
    const Share::Stream stream = begin();
    EXPECT_EQ(append_blocks(stream, 14), Append::kTaken) << round;
    consumed(stream, 9);
    EXPECT_EQ(append_blocks(stream, 5), Append::kTaken) << round;
    ended(stream);
  }
}

TEST_F(ShareTest, AnEndedStreamTakesNoMore) {
  const Share::Stream stream = begin();
  append_blocks(stream, 1);
  ended(stream);
  EXPECT_EQ(append_blocks(stream, 1), Append::kDone);
  const Share::Stream next = begin();
  EXPECT_EQ(next.slot, stream.slot);
  EXPECT_NE(next.generation, stream.generation);
  EXPECT_EQ(append_blocks(stream, 1), Append::kDone);  // the old name means nothing now
  share_.finish(stream);
  share_.cancel(stream);
  EXPECT_EQ(append_blocks(next, 1), Append::kTaken);
  EXPECT_EQ(source(stream).state_at(0), ByteSource::State::kStopped);
}

TEST_F(ShareTest, ACancelledStreamKeepsItsSlotUntilTheWorkerLetsGo) {
  std::vector<Share::Stream> streams;
  for (uint32_t i = 0; i < kSlots; ++i) streams.push_back(begin());
  EXPECT_FALSE(share_.begin(9, -1));
  share_.cancel(streams[0]);
  EXPECT_EQ(source(streams[0]).state_at(0), ByteSource::State::kStopped);
  EXPECT_FALSE(share_.begin(9, -1));
  ended(streams[0]);
  EXPECT_TRUE(share_.begin(9, -1));
}

TEST_F(ShareTest, AFinishedStreamCanBeCancelled) {
  const Share::Stream stream = begin();
  share_.finish(stream);
  share_.cancel(stream);
  EXPECT_EQ(source(stream).state_at(0), ByteSource::State::kStopped);
}

TEST(ProducerTest, GivesStreamsToWorkersThatAreAtWork) {
  std::vector<std::unique_ptr<WorkerMemory>> workers;
  for (int i = 0; i < 2; ++i) {
    workers.push_back(std::make_unique<WorkerMemory>(
        Geometry{.slot_count = kSlots, .block_count = kBlocks, .circular_entries = 12},
        std::vector<Partition>{{0, kSlots, 0, kBlocks, false}}, 0, 1000));
  }
  PoolCounters counters;
  const PoolSettings settings;
  Producer producer(workers, 0, counters, settings);
  workers[1]->at_work = true;
  for (uint32_t i = 0; i < kSlots; ++i) ASSERT_TRUE(producer.begin(i, -1));
  EXPECT_EQ(workers[1]->streams, static_cast<int>(kSlots));
  ASSERT_TRUE(producer.begin(9, -1));  // better late than never
  EXPECT_EQ(workers[0]->streams, 1);
}

TEST(SharedMemoryTest, NobodyElseCanWriteToWhatIsForReading) {
  const SharedMemory memory("test", 4096, SharedMemory::Others::kRead);
  memory.data()[0] = std::byte{7};
  const auto map = [](int fd, int protection) {
    return ::mmap(nullptr, 4096, protection, MAP_SHARED, fd, 0);
  };
  EXPECT_EQ(map(memory.fd(), PROT_READ | PROT_WRITE), MAP_FAILED);
  EXPECT_EQ(::pwrite(memory.fd(), "x", 1, 0), -1);
  const std::string path = "/proc/self/fd/" + std::to_string(memory.fd());
  const UniqueFd again(::open(path.c_str(), O_RDWR | O_CLOEXEC));
  EXPECT_EQ(map(again.get(), PROT_READ | PROT_WRITE), MAP_FAILED);

  void* readable = map(memory.fd(), PROT_READ);
  ASSERT_NE(readable, MAP_FAILED);
  EXPECT_EQ(*static_cast<std::byte*>(readable), std::byte{7});
  EXPECT_NE(::mprotect(readable, 4096, PROT_READ | PROT_WRITE), 0);
  ::munmap(readable, 4096);
}

}  // namespace
}  // namespace soundgate::decode
