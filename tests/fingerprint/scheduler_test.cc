// The loop of a worker, without a process: streams whose bodies the test brings itself.

#include "fingerprint/decode/worker/scheduler.h"

#include <gtest/gtest.h>
#include <sys/socket.h>

#include <atomic>
#include <optional>
#include <thread>
#include <utility>
#include <vector>

#include "fingerprint/decode/host/share.h"
#include "fingerprint/decode/shared/probe_word.h"
#include "fingerprint/decode/shared/unique_fd.h"

namespace soundgate::decode {
namespace {

using namespace std::chrono_literals;

constexpr uint32_t kSlots = 4, kBlocks = 16;

class SchedulerTest : public testing::Test {
 protected:
  SchedulerTest() {
    int ends[2];
    EXPECT_EQ(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, ends), 0);
    host_ = UniqueFd(ends[0]);
    worker_socket_ = UniqueFd(ends[1]);
  }
  uint64_t written() const { return results_header(results()).written.load(); }
  std::byte* results() const {
    return reinterpret_cast<std::byte*>(const_cast<uint64_t*>(results_.data()));
  }
  // The host has read all there is.
  void read_all() {
    worker_.payload().header().results_read.store(written());
    worker_.wake();
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
  std::vector<uint64_t> results_ = std::vector<uint64_t>(kResultsBytes / sizeof(uint64_t));
  UniqueFd host_, worker_socket_;
};

// One stream makes more probe items than a host takes that is busy elsewhere.
TEST_F(SchedulerTest, ProbesThatWaitForRoomKeepNoOtherStreamWaiting) {
  constexpr int kEntries = 3 * kProbeEntriesMax;
  ASSERT_TRUE(share_.begin(1, -1, {.probes = pack_probes({.step_max = 1})}));
  ASSERT_TRUE(share_.begin(2, -1));
  std::atomic<bool> probed = false, other_ended = false, over = false;
  const auto body = [&](StreamContext& stream) -> ResultEnd {
    if (stream.probes().step_max > 0) {
      const std::vector<Item> items(kItemsPerEntry, 1);
      for (uint32_t i = 0; i < kEntries; ++i) stream.emit(1, i * kItemsPerEntry, items);
      probed = true;
    } else {
      // It goes on when the other one has filled what probes may fill.
      while (written() < kProbeEntriesMax) {
        std::this_thread::sleep_for(3ms);
        stream.checkpoint();
      }
      other_ended = true;
    }
    return {};
  };
  std::thread worker([&] {
    Scheduler scheduler(worker_.memory().data(), results(), worker_socket_.get(), body);
    scheduler.run([&] { return !over; });
  });
  for (int tries = 0; tries < 400 && !other_ended; ++tries) std::this_thread::sleep_for(5ms);
  EXPECT_TRUE(other_ended);
  EXPECT_FALSE(probed);
  EXPECT_LE(written(), kProbeEntriesMax + 1);  // and the other one's end
  for (int tries = 0; tries < 400 && !probed; ++tries) {
    read_all();
    std::this_thread::sleep_for(5ms);
  }
  EXPECT_TRUE(probed);  // all of them came in the end
  read_all();
  over = true;
  worker_.wake();
  worker.join();
  EXPECT_EQ(written(), kEntries + 2u);
}

// Three streams that always have something to do, and one after another that is finished while one
// of them is at work. All on one thread, the producer too.
TEST_F(SchedulerTest, AStreamAtItsEndWaitsForNoOther) {
  constexpr int kEndings = 20;
  constexpr uint64_t kNobody = kSlots;
  uint64_t last_at_work = kNobody;
  int turns = 0, turns_before = 0, turns_meanwhile = 0, begun = 0, waiting = 0, ended = 0;
  std::optional<Share::Stream> ending;
  const auto begin_and_finish = [&] {
    if (!ending) {
      ending = share_.begin(kSlots, -1);
      begun += ending.has_value();
    } else if (ended == begun) {  // what the collector would do
      worker_.payload().slot(kSlots - 1).closed_generation.store(ending->generation);
      worker_.ended_of_slot(kSlots - 1).push(kSlots - 1);
      ending.reset();
    } else if (waiting == begun && turns_before == 0) {
      turns_before = turns;
      share_.finish(*ending);
    }
  };
  const auto body = [&](StreamContext& stream) -> ResultEnd {
    if (stream.size_bytes() < 0) {
      ++waiting;
      uint8_t byte;
      EXPECT_EQ(stream.read(0, {&byte, 1}).state, ByteSource::State::kEnd);
      turns_meanwhile += turns - std::exchange(turns_before, 0);
      ++ended;
      return {};
    }
    while (ended < kEndings) {
      const auto me = static_cast<uint64_t>(stream.size_bytes());
      if (std::exchange(last_at_work, me) != me) ++turns;
      begin_and_finish();
      stream.checkpoint();
    }
    return {};
  };
  for (int64_t size = 0; size + 1 < kSlots; ++size) {
    ASSERT_TRUE(share_.begin(1, size));
  }
  Scheduler(worker_.memory().data(), results(), worker_socket_.get(), body).run([&] {
    return ended < kEndings;
  });
  EXPECT_EQ(ended, kEndings);
  EXPECT_EQ(turns_meanwhile, 0);  // in turns it would be up to three each
}

// What a decoder makes of the end of a body it makes of no body that goes on.
TEST_F(SchedulerTest, SaysWhatItemsRestOn) {
  const std::vector<std::byte> bytes(kBlockBytes + 1);
  const Share::Stream stream = share_.begin(1, -1).value();
  share_.append(stream, bytes);
  share_.finish(stream);
  std::atomic<bool> over = false;
  const auto body = [&](StreamContext& context) -> ResultEnd {
    std::vector<uint8_t> to(kBlockBytes);
    const std::array<Item, 1> item{};
    uint32_t next = 0;
    context.read(0, to);
    context.emit(0, next++, item);
    context.read(kBlockBytes, to);
    context.read(0, to);  // once more
    context.emit(0, next++, item);
    context.read(kBlockBytes + 1, to);  // where it ends
    context.emit(0, next++, item);
    return {};
  };
  std::thread worker([&] {
    Scheduler scheduler(worker_.memory().data(), results(), worker_socket_.get(), body);
    scheduler.run([&] { return !over; });
  });
  worker_.wake();
  for (int tries = 0; tries < 400 && written() < 4; ++tries) std::this_thread::sleep_for(5ms);
  over = true;
  worker_.wake();
  worker.join();
  ASSERT_EQ(written(), 4u);
  EXPECT_EQ(result_entry(results(), 0).read_blocks, 1);
  EXPECT_EQ(result_entry(results(), 1).read_blocks, 2);
  EXPECT_EQ(result_entry(results(), 2).read_blocks, kReadAll);
}

TEST_F(SchedulerTest, PutsDownWhatIsPutOffWhenItWasBegun) {
  const std::vector<std::byte> bytes(100);
  const Share::Stream stream = share_.begin(1, -1).value();
  share_.append(stream, bytes);
  std::atomic<uint64_t> position = 0;
  std::atomic<bool> over = false;
  const auto body = [&](StreamContext& context) -> ResultEnd {
    std::array<uint8_t, 100> to;
    while (position < 200) position += context.read(position, to).bytes;
    return {};
  };
  std::thread worker([&] {
    Scheduler scheduler(worker_.memory().data(), results(), worker_socket_.get(), body);
    scheduler.run([&] { return !over; });
  });
  worker_.wake();
  for (int tries = 0; tries < 400 && position < 100; ++tries) std::this_thread::sleep_for(5ms);
  worker_.payload().slot(stream.slot).flags = Slot::kPutOff;
  share_.append(stream, bytes);
  worker_.wake();
  std::this_thread::sleep_for(50ms);
  EXPECT_EQ(position, 100u);
  worker_.payload().slot(stream.slot).catch_up_generation = stream.generation;
  worker_.wake();
  for (int tries = 0; tries < 400 && position < 200; ++tries) std::this_thread::sleep_for(5ms);
  EXPECT_EQ(position, 200u);
  over = true;
  worker_.wake();
  worker.join();
}

TEST_F(SchedulerTest, LeavesAloneWhatIsPutOffUntilItIsToBeDecodedOrDropped) {
  const Share::Stream decoded = share_.begin(1, -1).value();
  const Share::Stream dropped = share_.begin(2, -1).value();
  for (const Share::Stream& stream : {decoded, dropped}) {
    worker_.payload().slot(stream.slot).flags = Slot::kPutOff;
  }
  std::atomic<uint32_t> begun = 0;
  std::atomic<bool> over = false;
  const auto body = [&](StreamContext&) -> ResultEnd {
    ++begun;
    return {};
  };
  std::thread worker([&] {
    Scheduler scheduler(worker_.memory().data(), results(), worker_socket_.get(), body);
    scheduler.run([&] { return !over; });
  });
  worker_.wake();
  std::this_thread::sleep_for(50ms);
  EXPECT_EQ(begun, 0u);
  EXPECT_EQ(written(), 0u);
  worker_.payload().slot(decoded.slot).catch_up_generation = decoded.generation;
  worker_.payload().slot(dropped.slot).settled_generation = dropped.generation;
  worker_.wake();
  for (int tries = 0; tries < 400 && written() < 2; ++tries) std::this_thread::sleep_for(5ms);
  EXPECT_EQ(begun, 1u);
  EXPECT_EQ(written(), 2u);  // an end of each
  over = true;
  worker_.wake();
  worker.join();
}

}  // namespace
}  // namespace soundgate::decode
