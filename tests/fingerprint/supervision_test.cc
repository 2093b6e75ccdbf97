// What becomes of streams whose worker crashes, hangs, lies or is killed, and of workers whose host
// dies.

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <functional>
#include <string_view>
#include <thread>

#include "tests/fingerprint/test_audio.h"

namespace soundgate::test {
namespace {

using std::chrono::milliseconds;
using std::chrono::steady_clock;

Bytes faulty(std::string_view word) {
  Bytes bytes(200'000);
  for (size_t i = 0; i < word.size(); ++i) bytes[i] = static_cast<std::byte>(word[i]);
  return bytes;
}

bool eventually(const std::function<bool()>& condition) {
  for (const auto give_up = steady_clock::now() + std::chrono::seconds(20);
       steady_clock::now() < give_up;) {
    if (condition()) return true;
    std::this_thread::sleep_for(milliseconds(2));
  }
  return false;
}

bool is_alive(int pid) { return ::kill(pid, 0) == 0; }

class Supervision : public testing::Test {
 protected:
  static constexpr uint64_t kNeighbours = 12;

  void start(int worker_count, milliseconds stall_max = milliseconds(5000)) {
    DecoderPool::Options options;
    options.worker_path = SOUNDGATE_FAULTY_DECODER;
    options.worker_count = worker_count;
    options.stall_max = stall_max;
    options.payload_bytes_per_worker = size_t{64} << 20;
    auto started = DecoderPool::start(options, recorder_);
    ASSERT_TRUE(started) << started.error();
    pool_ = std::move(*started);
    music_ = read_file(encode(make_music(20, 20), "-c:a libmp3lame -b:a 128k", "a.mp3"));
    expected_ = test::decode(*pool_, recorder_, music_)->items;
    ASSERT_GT(expected_.size(), 100u);
  }

  // Streams with tags 0.., of which two thirds have been appended.
  void begin_neighbours(uint64_t count = kNeighbours) {
    for (uint64_t tag = 0; tag < count; ++tag) {
      streams_.push_back(pool_->producer(0).begin(tag, -1).value());
      append(streams_.back(), std::span(music_).first(sent()));
    }
  }
  void append(StreamHandle stream, std::span<const std::byte> bytes) {
    while (!bytes.empty()) {
      const size_t count = std::min<size_t>(bytes.size(), 11 << 10);
      ASSERT_EQ(pool_->producer(0).append(stream, bytes.first(count)),
                StreamProducer::Append::kTaken);
      bytes = bytes.subspan(count);
    }
  }
  size_t sent() const { return music_.size() / 3 * 2; }

  void finish_neighbours() {
    for (const StreamHandle stream : streams_) {
      EXPECT_TRUE(feed_whole(pool_->producer(0), stream, std::span(music_).subspan(sent())));
    }
  }
  // Returns how many did not end as if nothing had happened.
  int count_disturbed() {
    int disturbed = 0;
    for (uint64_t tag = 0; tag < streams_.size(); ++tag) {
      const auto heard = recorder_.wait_for_end(tag);
      EXPECT_TRUE(heard);
      if (!heard) return -1;
      EXPECT_EQ(heard->ends, 1);
      if (heard->end.outcome == DecodeOutcome::decoded) {
        EXPECT_EQ(heard->items, expected_);
        EXPECT_FALSE(heard->has_gap);
      } else {
        EXPECT_EQ(heard->end.outcome, DecodeOutcome::decoder_crash);
        ++disturbed;
      }
    }
    return disturbed;
  }
  DecodeOutcome outcome_of(const Bytes& bytes) {
    const auto heard = test::decode(*pool_, recorder_, bytes);
    EXPECT_TRUE(heard);
    return heard ? heard->end.outcome : DecodeOutcome::decoded;
  }

  PoolRecorder recorder_;
  std::unique_ptr<DecoderPool> pool_;
  Bytes music_;
  std::vector<Item> expected_;
  std::vector<StreamHandle> streams_;
};

TEST_F(Supervision, ACrashCostsTheStreamThatCausedItAndNoOther) {
  start(1);
  begin_neighbours();
  EXPECT_EQ(outcome_of(faulty("SEGFAULT")), DecodeOutcome::decoder_crash);
  finish_neighbours();
  EXPECT_EQ(count_disturbed(), 0);
  EXPECT_EQ(pool_->status().crashes, 1u);
  EXPECT_EQ(pool_->status().resumed, kNeighbours);
  EXPECT_EQ(pool_->status().workers[0].restarts, 1u);
}

TEST_F(Supervision, AProbeThatNobodyAskedForIsNonsense) {
  start(1);
  for (const int step_max : {0, 2, 10}) {
    pool_->set_probes({.step_max = step_max});
    EXPECT_EQ(outcome_of(faulty("UNWANTED")), DecodeOutcome::decoder_crash) << step_max;
  }
}

TEST_F(Supervision, AKilledWorkerIsReplacedAtOnce) {
  start(1);
  begin_neighbours();
  ASSERT_TRUE(recorder_.wait_for_items(0, 1));
  const int pid = pool_->status().workers[0].pid;
  ASSERT_EQ(::kill(pid, SIGKILL), 0);
  const auto killed_at = steady_clock::now();
  ASSERT_TRUE(eventually([&] {
    const int now = pool_->status().workers[0].pid;
    return now != 0 && now != pid;
  }));
  EXPECT_LT(steady_clock::now() - killed_at, milliseconds(500));
  finish_neighbours();
  EXPECT_LE(count_disturbed(), 1);  // the one it was at work on, if any
}

TEST_F(Supervision, StreamsOfOtherWorkersNoticeNothing) {
  start(2);
  begin_neighbours();
  ASSERT_TRUE(recorder_.wait_for_items(0, 1));
  ASSERT_EQ(::kill(pool_->status().workers[0].pid, SIGKILL), 0);
  finish_neighbours();
  EXPECT_LE(count_disturbed(), 1);
  EXPECT_EQ(pool_->status().workers[1].restarts, 0u);
  EXPECT_LE(pool_->status().resumed, kNeighbours / 2);
}

TEST_F(Supervision, CrashAfterCrashEachStreamGetsItsOwnReason) {
  start(1);
  for (int i = 0; i < 6; ++i) {
    EXPECT_EQ(outcome_of(faulty("SEGFAULT")), DecodeOutcome::decoder_crash);
  }
  EXPECT_EQ(outcome_of(music_), DecodeOutcome::decoded);
}

TEST_F(Supervision, AStreamThatSurvivesTooManyCrashesIsGivenUp) {
  start(1);
  begin_neighbours(1);
  for (int i = 0; i < 5; ++i) outcome_of(faulty("SEGFAULT"));
  const auto heard = recorder_.wait_for_end(0);
  ASSERT_TRUE(heard);
  EXPECT_EQ(heard->end.outcome, DecodeOutcome::decoder_lost);
  EXPECT_EQ(pool_->producer(0).append(streams_[0], std::span(music_).first(1)),
            StreamProducer::Append::kDone);
}

TEST_F(Supervision, AHangIsEndedAndCostsItsStreamOnly) {
  start(1, milliseconds(700));
  begin_neighbours();
  EXPECT_EQ(outcome_of(faulty("STANDING")), DecodeOutcome::decoder_timeout);
  finish_neighbours();
  EXPECT_EQ(count_disturbed(), 0);
  EXPECT_EQ(pool_->status().timeouts, 1u);
}

TEST_F(Supervision, GoingRoundInCirclesIsEndedToo) {
  start(1, milliseconds(600));
  begin_neighbours();
  EXPECT_EQ(outcome_of(faulty("CIRCLING")), DecodeOutcome::decoder_timeout);
  finish_neighbours();
  EXPECT_EQ(count_disturbed(), 0);
  EXPECT_EQ(pool_->status().timeouts, 1u);
}

TEST_F(Supervision, AWorkerThatTalksNonsenseIsKilled) {
  start(1);
  begin_neighbours();
  const int pid = pool_->status().workers[0].pid;
  const DecodeOutcome outcome = outcome_of(faulty("NONSENSE"));
  EXPECT_TRUE(eventually([&] { return pool_->status().workers[0].restarts >= 1; }));
  EXPECT_NE(pool_->status().workers[0].pid, pid);
  finish_neighbours();
  EXPECT_LE(count_disturbed(), 1);
  EXPECT_NE(outcome, DecodeOutcome::decoded);
}

TEST_F(Supervision, NoWorkerCanMakeTheHostWait) {
  start(1);
  begin_neighbours();
  EXPECT_EQ(outcome_of(faulty("BLOCKING")), DecodeOutcome::not_audio);
  finish_neighbours();
  EXPECT_EQ(count_disturbed(), 0);
  EXPECT_EQ(outcome_of(music_), DecodeOutcome::decoded);
}

TEST_F(Supervision, AWorkerThatHangsUpIsKilled) {
  start(1);
  begin_neighbours();
  const StreamHandle mute = pool_->producer(0).begin(99, -1).value();
  append(mute, faulty("MUTENESS"));
  EXPECT_TRUE(eventually([&] { return pool_->status().workers[0].restarts >= 1; }));
  pool_->producer(0).cancel(mute);
  finish_neighbours();
  EXPECT_LE(count_disturbed(), 1);
}

// Sets how many descriptors this process may have, for as long as it lives.
class DescriptorLimit {
 public:
  explicit DescriptorLimit(rlim_t count) {
    ::getrlimit(RLIMIT_NOFILE, &before_);
    const rlimit limit{count, before_.rlim_max};
    ::setrlimit(RLIMIT_NOFILE, &limit);
  }
  ~DescriptorLimit() { ::setrlimit(RLIMIT_NOFILE, &before_); }
  DescriptorLimit(const DescriptorLimit&) = delete;
  DescriptorLimit& operator=(const DescriptorLimit&) = delete;

 private:
  rlimit before_{};
};

TEST_F(Supervision, AReplacementWaitsForDescriptors) {
  start(2);
  begin_neighbours();
  ASSERT_TRUE(recorder_.wait_for_items(0, 1));
  const int next_descriptor = ::dup(0);
  ::close(next_descriptor);
  // None at all; then only those that the dead worker leaves.
  for (const int count : {3, next_descriptor}) {
    const size_t troubles = recorder_.troubles().size();
    {
      const DescriptorLimit limit(static_cast<rlim_t>(count));
      ASSERT_EQ(::kill(pool_->status().workers[0].pid, SIGKILL), 0);
      ASSERT_TRUE(eventually([&] { return recorder_.troubles().size() >= troubles + 2; }));
      EXPECT_EQ(pool_->status().workers[0].pid, 0);
      // Meanwhile the other worker gets what comes.
      EXPECT_EQ(outcome_of(music_), DecodeOutcome::decoded);
      EXPECT_EQ(outcome_of(music_), DecodeOutcome::decoded);
    }
    EXPECT_THAT(recorder_.troubles().back(), testing::HasSubstr("Too many open files"));
    EXPECT_TRUE(eventually([&] { return pool_->status().workers[0].pid != 0; }));
  }
  finish_neighbours();
  EXPECT_LE(count_disturbed(), 2);  // those the workers were at work on, if any
}

TEST_F(Supervision, AnIdlePoolThatIsDestroyedLeavesNoProcess) {
  start(2);
  const auto workers = pool_->status().workers;
  pool_.reset();
  for (const auto& worker : workers) EXPECT_FALSE(is_alive(worker.pid));
}

// A host of its own, which is killed before it can say goodbye.
TEST(SupervisionOfHosts, WorkersDieWithTheirHost) {
  int pids[2];
  ASSERT_EQ(::pipe(pids), 0);
  const pid_t host = ::fork();
  if (host == 0) {
    PoolRecorder recorder;
    DecoderPool::Options options;
    options.worker_path = SOUNDGATE_DECODER;
    options.worker_count = 1;
    auto pool = DecoderPool::start(options, recorder);
    const int worker = pool ? (*pool)->status().workers[0].pid : 0;
    [[maybe_unused]] const ssize_t ignored = ::write(pids[1], &worker, sizeof worker);
    ::pause();
    ::_exit(0);
  }
  int worker = 0;
  ASSERT_EQ(::read(pids[0], &worker, sizeof worker), static_cast<ssize_t>(sizeof worker));
  ASSERT_GT(worker, 0);
  EXPECT_TRUE(is_alive(worker));
  ASSERT_EQ(::kill(host, SIGKILL), 0);
  ASSERT_EQ(::waitpid(host, nullptr, 0), host);
  EXPECT_TRUE(eventually([&] { return !is_alive(worker); }));
}

}  // namespace
}  // namespace soundgate::test
