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

}  // namespace
}  // namespace soundgate::decode
