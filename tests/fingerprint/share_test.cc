// A producer's share of a worker, with no worker: what lies where, what is evicted, what is full.

#include "fingerprint/decode/host/share.h"

#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/mman.h>

#include <cstring>
#include <vector>

#include "fingerprint/decode/host/producer.h"
#include "fingerprint/decode/host/worker_host.h"
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

TEST_F(ShareTest, KeepsWhatAHelperHasNotCopied) {
  const Share::Stream stream = begin();
  append_blocks(stream, 14);
  consumed(stream, 10);
  share_.become_part(stream, 1, {.index = 0, .count = 2});
  EXPECT_EQ(append_blocks(stream, 1), Append::kFull);
  share_.keep_from(stream, 4 * kBlockBytes);
  EXPECT_EQ(append_blocks(stream, 2), Append::kTaken);
  EXPECT_EQ(source(stream).next_kept(), 4 * kBlockBytes);
  const auto kept = share_.bytes_at(stream, 4 * kBlockBytes + 5);
  EXPECT_EQ(kept.size(), kBlockBytes - 5);
  EXPECT_EQ(kept[0], bytes(6, 4)[5]);
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

class NoListener : public DecodeListener {
  void on_items(uint64_t, uint32_t, std::span<const Item>) override {}
  void on_end(uint64_t, const DecodeEnd&) override {}
};

// A body is known that is one block over and over.
class ShareKnownTest : public ShareTest {
 protected:
  static constexpr uint64_t kKnownBlocks = 8;

  void know(double duration_seconds = 10, uint64_t blocks = kKnownBlocks) {
    exact::BodyDigests digests;
    exact::BodyDigester digester;
    digester.begin(uploads_.key(), 0, -1);
    for (uint64_t at = 0; at < blocks * kBlockBytes;) {
      const uint64_t count =
          std::min(digester.bytes_to_checkpoint(), kBlockBytes - at % kBlockBytes);
      const auto prefix = digester.update(std::span(block_).subspan(at % kBlockBytes, count));
      if (prefix) digests.prefixes[digests.prefix_count++] = *prefix;
      at += count;
    }
    digests.whole = whole_ = digester.digest();
    exact::Recording recording;
    recording.end.duration_seconds = duration_seconds;
    uploads_.remember(digests, {}, recording, 1, {});
  }
  Append append_known(Share::Stream stream, uint64_t from_block, uint64_t to_block) {
    Append last = Append::kTaken;
    for (uint64_t block = from_block; block < to_block; ++block) {
      last = knowing_.append(stream, block_);
    }
    return last;
  }
  Share::Stream begin_knowing() { return knowing_.begin(1, -1).value(); }
  bool put_off(Share::Stream stream) {
    return is_put_off(worker_.payload().slot(stream.slot), stream.generation);
  }

  const std::vector<std::byte> block_ = bytes(kBlockBytes, 7);
  exact::KnownUploads uploads_{size_t{1} << 20};
  exact::Digest whole_;
  PoolCounters counters_;
  Share knowing_{worker_, 0, Share::Known{uploads_, counters_}};
};

TEST_F(ShareKnownTest, PutsOffWhatBeginsLikeAKnownOneUntilItDoesNot) {
  know();
  const Share::Stream stream = begin_knowing();
  knowing_.append(stream, std::span(block_).first(4095));
  EXPECT_FALSE(put_off(stream));
  knowing_.append(stream, std::span(block_).subspan(4095));
  EXPECT_TRUE(put_off(stream));
  append_known(stream, 1, 4);
  consumed(stream, 2);  // or too much would wait
  for (int i = 0; i < 3; ++i) knowing_.append(stream, bytes(kBlockBytes, 77));
  EXPECT_TRUE(put_off(stream));
  knowing_.append(stream, bytes(kBlockBytes, 77));
  EXPECT_FALSE(put_off(stream));
  EXPECT_EQ(counters_.put_off, 1u);
  EXPECT_EQ(counters_.caught_up, 1u);
}

TEST_F(ShareKnownTest, AsksAtItsCheckpointsAndAtItsEnd) {
  know();
  const Share::Stream stream = begin_knowing();
  append_known(stream, 0, 4);
  consumed(stream, 4);
  append_known(stream, 4, kKnownBlocks);
  for (uint32_t checkpoint = 0; checkpoint < 8; ++checkpoint) {
    const auto question = worker_.questions(0).pop();
    ASSERT_TRUE(question);
    EXPECT_EQ(question->generation, stream.generation);
    EXPECT_EQ(question->checkpoint, checkpoint);
    EXPECT_NE(uploads_.find_prefix(question->digest, {}), nullptr);
  }
  knowing_.finish(stream);
  const auto question = worker_.questions(0).pop();
  ASSERT_TRUE(question);
  EXPECT_FALSE(question->checkpoint);
  EXPECT_EQ(question->digest, whole_);
  EXPECT_TRUE(put_off(stream));
  const Slot& slot = worker_.payload().slot(stream.slot);
  EXPECT_EQ(slot.flags, Slot::kFinished | Slot::kPutOff);
  worker_.payload().slot(stream.slot).catch_up_generation = stream.generation;
  EXPECT_FALSE(put_off(stream));
}

TEST_F(ShareKnownTest, WhatWaitsIsBounded) {
  know();
  const Share::Stream stream = begin_knowing();
  append_known(stream, 0, 6);  // half of what its table can name
  EXPECT_TRUE(put_off(stream));
  append_known(stream, 6, 7);
  EXPECT_FALSE(put_off(stream));
}

TEST_F(ShareKnownTest, WhatWaitsIsBoundedWhereThereIsRoom) {
  constexpr uint32_t kMost = kPutOffBytesMax / kBlockBytes, kMany = 3 * kMost;
  WorkerMemory worker({.slot_count = 2, .block_count = kMany, .circular_entries = kMany},
                      {{0, 2, 0, kMany, false}}, 0, 1000);
  Share share(worker, 0, Share::Known{uploads_, counters_});
  know(10, 2 * kMost);
  const auto waits = [&](Share::Stream stream) {
    return is_put_off(worker.payload().slot(stream.slot), stream.generation);
  };
  const Share::Stream announced = share.begin(1, int64_t{kPutOffBytesMax} + 1).value();
  share.append(announced, block_);
  EXPECT_FALSE(waits(announced));
  const Share::Stream stream = share.begin(1, -1).value();
  for (uint32_t block = 0; block < kMost; ++block) share.append(stream, block_);
  EXPECT_TRUE(waits(stream));
  share.append(stream, block_);
  EXPECT_FALSE(waits(stream));
}

TEST_F(ShareKnownTest, WhatWaitsMakesRoomForOthers) {
  know();
  const Share::Stream waits = begin_knowing();
  append_known(waits, 0, 4);
  EXPECT_TRUE(put_off(waits));
  const Share::Stream other = begin_knowing();
  while (knowing_.append(other, bytes(kBlockBytes, 99)) == Append::kTaken) {
  }
  EXPECT_FALSE(put_off(waits));
}

TEST_F(ShareKnownTest, NothingWaitsWhereRoomIsScarce) {
  know();
  const Share::Stream other = begin_knowing();
  for (int i = 0; i < 9; ++i) knowing_.append(other, bytes(kBlockBytes, 99));
  const Share::Stream stream = begin_knowing();
  append_known(stream, 0, 1);
  EXPECT_FALSE(put_off(stream));
}

TEST_F(ShareKnownTest, NobodyIsMadeToWaitForWhatTakesLong) {
  know(exact::kLongSeconds + 1);
  const Share::Stream stream = begin_knowing();
  append_known(stream, 0, 1);
  EXPECT_FALSE(put_off(stream));
}

// What was told from memory could not be compared with what several workers make.
TEST_F(ShareKnownTest, WhatWasPutOffIsNotDivided) {
  know();
  const Share::Stream stream = begin_knowing();
  append_known(stream, 0, 4);
  ASSERT_TRUE(put_off(stream));
  for (int i = 0; i < 8; ++i) knowing_.append(stream, bytes(kBlockBytes, 99));
  ASSERT_FALSE(put_off(stream));
  EXPECT_FALSE(knowing_.may_be_divided(stream, kBlockBytes));
  ended(stream);
  const Share::Stream other = begin_knowing();
  for (int i = 0; i < 8; ++i) knowing_.append(other, bytes(kBlockBytes, 99));
  EXPECT_TRUE(knowing_.may_be_divided(other, kBlockBytes));
  EXPECT_FALSE(knowing_.may_be_divided(other, kBlockBytes)) << "asked again too early";
}

// What seemed known, and is not when the collector looks.
TEST_F(ShareKnownTest, WhatIsNotKnownAfterAllIsDecoded) {
  know();
  const Share::Stream stream = begin_knowing();
  append_known(stream, 0, 4);
  consumed(stream, 4);
  append_known(stream, 4, kKnownBlocks);
  knowing_.finish(stream);
  EXPECT_TRUE(put_off(stream));
  NoListener listener;
  exact::KnownUploads nothing(size_t{1} << 20);
  Merger merger(listener);
  WorkerHost host(worker_, listener, merger, counters_, 1000, &nothing);
  host.answer_questions({});
  EXPECT_FALSE(put_off(stream));
  EXPECT_EQ(worker_.payload().header().finish_sequence, 1u);  // somebody waits for it
  EXPECT_EQ(source(stream).state_at(0), ByteSource::State::kBytes);
  EXPECT_EQ(counters_.caught_up, 1u);
  EXPECT_EQ(counters_.recognised, 0u);
}

TEST_F(ShareKnownTest, WhoCanWaitDoesNotWaitForWhatIsPutOff) {
  constexpr uint32_t kMany = 128;
  WorkerMemory worker({.slot_count = 1, .block_count = kMany, .circular_entries = kMany},
                      {{0, 1, 0, kMany, true}}, 0, 1000);
  Share share(worker, 0, Share::Known{uploads_, counters_});
  know(10, 2 * kPatientBytesMax / kBlockBytes);
  const Share::Stream stream = share.begin(1, -1).value();
  for (unsigned block = 0; block < kPatientBytesMax / kBlockBytes + 8; ++block) {
    ASSERT_EQ(share.append(stream, block_), Append::kTaken) << block;
    worker.control(stream.slot).consumed_bytes = 1;  // before it was put off
  }
  EXPECT_TRUE(is_put_off(worker.payload().slot(stream.slot), stream.generation));
}

}  // namespace
}  // namespace soundgate::decode
