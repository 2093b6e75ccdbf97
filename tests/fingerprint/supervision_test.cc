// What becomes of streams whose worker crashes, hangs, lies or is killed, and of workers whose host
// dies.

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <poll.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <functional>
#include <string>
#include <string_view>
#include <thread>

#include "fingerprint/decode/limits.h"
#include "fingerprint/decode/shared/unique_fd.h"
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

  Supervision() { options_.worker_path = SOUNDGATE_FAULTY_DECODER; }

  void start(int worker_count, milliseconds stall_max = milliseconds(5000)) {
    options_.worker_count = worker_count;
    options_.stall_max = stall_max;
    options_.payload_bytes_per_worker = size_t{64} << 20;
    auto started = DecoderPool::start(options_, recorder_);
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
  DecoderPool::Options options_;
  std::unique_ptr<DecoderPool> pool_;
  Bytes music_;
  std::vector<Item> expected_;
  std::vector<StreamHandle> streams_;
};

// It was told of what begins like it; but what that is decoded to is something else.
TEST_F(Supervision, AWorkerThatInventsItemsIsNotBelievedForLong) {
  options_.known_bytes_max = size_t{16} << 20;
  start(1);
  EXPECT_EQ(outcome_of(faulty("INVENTOR")), DecodeOutcome::decoded);
  Bytes other = faulty("INVENTOR");
  other.back() = std::byte{1};
  EXPECT_EQ(outcome_of(other), DecodeOutcome::decoder_lost);
  EXPECT_EQ(pool_->status().contradicted, 1u);
  EXPECT_EQ(pool_->status().known, 0u);
  EXPECT_EQ(outcome_of(faulty("SEGFAULT")), DecodeOutcome::decoder_crash);  // it is there yet
}

// A worker that has been taken over says that somebody else's packets sound like something else.
// The other worker does not believe it.
TEST_F(Supervision, AWorkerCannotSpeakForWhatAnotherDecodes) {
  options_.known_bytes_max = size_t{16} << 20;
  options_.burst_bytes = 0;  // what several share is not remembered
  start(2);
  const Bytes target = read_file(encode(make_music(20, 21), "-c:a flac", "a.flac"));
  Bytes poison = faulty("POISONER");
  poison.resize(8);
  poison.insert(poison.end(), target.begin(), target.end());
  EXPECT_EQ(outcome_of(poison), DecodeOutcome::decoded);
  ASSERT_TRUE(eventually([&] { return pool_->status().known == 2; }));
  const auto heard = test::decode(*pool_, recorder_, target);  // it is the other one's turn
  ASSERT_TRUE(heard);
  EXPECT_EQ(heard->end.outcome, DecodeOutcome::decoded);
  EXPECT_FALSE(heard->end.exact);
  EXPECT_GT(heard->items.size(), 100u);
  EXPECT_NE(heard->items[0], 1u);
  EXPECT_EQ(pool_->status().contradicted, 1u);
  EXPECT_EQ(pool_->status().known, 1u);
  EXPECT_FALSE(recorder_.troubles().empty());
}

// (The inventor makes no items of probes, as a worker that has no memory for them.)
TEST_F(Supervision, ProbesThatCouldNotBeHadAreNotRememberedAsNone) {
  options_.known_bytes_max = size_t{16} << 20;
  start(1);
  const uint64_t known = pool_->status().known;
  pool_->set_probes({.step_max = 1});
  for (int tries = 0; tries < 2; ++tries) {
    EXPECT_EQ(outcome_of(faulty("INVENTOR")), DecodeOutcome::decoded);
    EXPECT_EQ(pool_->status().known, known);
  }
  EXPECT_EQ(pool_->status().recognised, 0u);
  pool_->set_probes({});
  EXPECT_EQ(outcome_of(faulty("INVENTOR")), DecodeOutcome::decoded);
  EXPECT_EQ(pool_->status().known, known + 1);
}

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

TEST_F(Supervision, AllOfFiftyNeighboursAreResumed) {
  start(1);
  begin_neighbours(50);
  EXPECT_EQ(outcome_of(faulty("SEGFAULT")), DecodeOutcome::decoder_crash);
  finish_neighbours();
  EXPECT_EQ(count_disturbed(), 0);
  EXPECT_EQ(pool_->status().resumed, 50u);
  const Heard undisturbed = *test::decode(*pool_, recorder_, music_);
  for (uint64_t tag = 0; tag < 50; ++tag) {
    EXPECT_EQ(recorder_.heard(tag).bands, undisturbed.bands) << tag;
  }
}

// How many processes this one has started.
int count_children() {
  int count = 0;
  for (const auto& entry : std::filesystem::directory_iterator("/proc")) {
    std::string field;
    std::ifstream status(entry.path() / "status");
    while (status >> field && field != "PPid:") {
    }
    int parent = 0;
    count += status >> parent && parent == ::getpid() ? 1 : 0;
  }
  return count;
}

// Kills it, and returns when it is dead: the kernel takes its time to take it apart.
void kill_and_watch(int pid) {
  const decode::UniqueFd process(static_cast<int>(::syscall(SYS_pidfd_open, pid, 0)));
  ASSERT_EQ(::kill(pid, SIGKILL), 0);
  pollfd death{process.get(), POLLIN, 0};
  ASSERT_EQ(::poll(&death, 1, 5000), 1);
}

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
constexpr bool kIsSanitized = true;  // which takes its time to start and to map
#else
constexpr bool kIsSanitized = false;
#endif

// From the death of a worker to the first item that its replacement makes. The middle one of five
// deaths: a machine that is busy otherwise makes any of them late.
TEST_F(Supervision, AWarmSpareIsAtWorkWithinFiftyMilliseconds) {
  options_.worker_path = SOUNDGATE_DECODER;
  start(1);
  std::vector<double> times_ms;
  for (uint64_t tag = 0; tag < 5; ++tag) {
    // A spare, and a worker whose death is not one of many.
    ASSERT_TRUE(eventually([] { return count_children() == 2; }));
    std::this_thread::sleep_for(milliseconds(1100));
    const StreamHandle stream = pool_->producer(0).begin(tag, -1).value();
    kill_and_watch(pool_->status().workers[0].pid);
    const auto died_at = steady_clock::now();
    append(stream, music_);
    ASSERT_TRUE(recorder_.wait_for_items(tag, 1));
    const std::chrono::duration<double, std::milli> took = steady_clock::now() - died_at;
    times_ms.push_back(took.count());
    pool_->producer(0).cancel(stream);
  }
  std::ranges::sort(times_ms);
  std::printf("a replacement's first item after %.1f ms, the longest of five %.1f ms\n",
              times_ms[2], times_ms[4]);
  EXPECT_LT(times_ms[2], kIsSanitized ? 500 : 50);
  EXPECT_EQ(pool_->status().workers[0].restarts, 5u);
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

// What a worker does that has been taken over, while it has seven streams, and another worker six.
struct Hostility {
  const char* word;
  DecodeOutcome outcome;  // of the stream it is done to
  bool costs_the_worker = true;
  milliseconds time_max{4000};
  bool is_remembered = false;  // by the pool, what is decoded
};
void PrintTo(const Hostility& hostility, std::ostream* out) { *out << hostility.word; }

constexpr DecodeOutcome kCrash = DecodeOutcome::decoder_crash;
constexpr DecodeOutcome kTimeout = DecodeOutcome::decoder_timeout;
constexpr DecodeOutcome kCpu = DecodeOutcome::decoder_cpu;
constexpr milliseconds kQuick{4000};
constexpr milliseconds kSlow{25'000};  // silence of 24 stalls; CPU that a busy machine has not

const Hostility kHostilities[] = {
    {"SEGFAULT", kCrash},
    {"LEAVEEND", kCrash},
    {"CHILDREN", kCrash},
    {"STANDING", kTimeout},
    {"FREEZING", kTimeout},
    {"PRETENDS", kTimeout, true, kSlow},
    {"BURNFUEL", kCpu, true, kSlow},
    {"FLOODING", kCpu, true, kSlow},
    {"CHATTERS", kCrash},
    {"OVERRUNS", kCrash},
    {"TURNBACK", kCrash},
    {"FLIPFLOP", kCrash},
    {"BLOCKING", DecodeOutcome::not_audio, false},
    {"TRUNCATE", DecodeOutcome::not_audio, false},
    {"LIES...0", kCrash},
    {"LIES...1", kCrash},
    {"LIES...2", kCrash},
    {"LIES...3", kCrash},
    {"LIES...4", kCrash},
    {"LIES...5", kCrash},
    {"LIES...6", kCrash},
    {"LIES...7", kCrash},
    {"LIES...8", kCrash},
    {"LIES...9", kCrash},
    {"LIES...A", kCrash},
    {"LIES...B", kCrash},
    {"LIES...C", kCrash},
    {"LIES...D", kCrash},
    {"LIES...E", kCrash},
    {"LIES...F", kCrash, true, kQuick, true},
    {"LIES...G", kCrash, true, kQuick, true},
    {"LIES...H", kCrash, true, kQuick, true},
    {"LIES...I", kCrash, true, kQuick, true},
    {"LIES...J", kCrash},
    {"LIES...K", kCrash},
};

class HostileWorker : public Supervision, public testing::WithParamInterface<Hostility> {};

TEST_P(HostileWorker, HarmsNobodyElse) {
  const Hostility& hostility = GetParam();
  options_.cpu_allowance = milliseconds(200);
  if (hostility.is_remembered) options_.known_bytes_max = size_t{16} << 20;
  // Who burns CPU gets little of it on a busy machine, and must not be taken for one that stalls.
  start(2, milliseconds(hostility.outcome == kCpu ? 5000 : 600));
  begin_neighbours();
  constexpr uint64_t kTag = 99;
  const Bytes bytes = faulty(hostility.word);
  const auto began_at = steady_clock::now();
  const StreamHandle hostile = pool_->producer(0).begin(kTag, std::ssize(bytes)).value();
  append(hostile, bytes);
  pool_->producer(0).finish(hostile);

  // The other worker, which has fewer streams, gets those that come meanwhile.
  while (recorder_.heard(kTag).ends == 0 && steady_clock::now() - began_at < hostility.time_max) {
    const auto meanwhile_at = steady_clock::now();
    EXPECT_EQ(outcome_of(music_), DecodeOutcome::decoded);
    EXPECT_LT(steady_clock::now() - meanwhile_at, milliseconds(2000));
  }
  const Heard heard = recorder_.heard(kTag);
  ASSERT_EQ(heard.ends, 1) << "it went on for " << hostility.time_max.count() << " ms";
  EXPECT_EQ(heard.end.outcome, hostility.outcome) << name(heard.end.outcome);

  finish_neighbours();
  EXPECT_EQ(count_disturbed(), 0);
  EXPECT_TRUE(eventually([&] {
    const auto workers = pool_->status().workers;
    return workers[0].restarts + workers[1].restarts == (hostility.costs_the_worker ? 1u : 0u);
  }));
}

INSTANTIATE_TEST_SUITE_P(Each, HostileWorker, testing::ValuesIn(kHostilities),
                         [](const auto& tested) {
                           std::string word = tested.param.word;
                           std::erase(word, '.');
                           return word;
                         });

// It could as well make up what it says of them: it costs those it has been given, and no other's.
TEST_F(Supervision, AWorkerThatBlamesOthersComesToAnEnd) {
  start(2);
  begin_neighbours();
  EXPECT_EQ(outcome_of(faulty("BLAMEOTH")), DecodeOutcome::decoder_lost);
  finish_neighbours();
  uint64_t lost = 0;
  for (uint64_t tag = 0; tag < kNeighbours; ++tag) {
    const auto heard = recorder_.wait_for_end(tag);
    ASSERT_TRUE(heard);
    lost += heard->end.outcome == DecodeOutcome::decoded ? 0 : 1;
  }
  EXPECT_EQ(lost, kNeighbours / 2);
  const auto workers = pool_->status().workers;
  EXPECT_EQ(std::min(workers[0].restarts, workers[1].restarts), 0u);
  EXPECT_LE(std::max(workers[0].restarts, workers[1].restarts), decode::kResumesMax + 1);
}

// The moments at which a replacement may end before it has done anything.
class HandOver : public Supervision, public testing::WithParamInterface<const char*> {
 protected:
  static constexpr int kDeaths = 3;
};

TEST_P(HandOver, MayFailAgainAndAgain) {
  const auto folder = scratch_folder() / GetParam();
  std::filesystem::create_directory(folder);
  options_.worker_path = folder / "decoder";
  std::filesystem::create_symlink(SOUNDGATE_FAULTY_DECODER, options_.worker_path);
  start(2);
  begin_neighbours();
  for (uint64_t tag = 0; tag < kNeighbours; ++tag) ASSERT_TRUE(recorder_.wait_for_items(tag, 1));
  const auto order = folder / (std::string("FAULT.") + GetParam());
  std::ofstream(order) << "end here";
  ASSERT_EQ(::kill(pool_->status().workers[0].pid, SIGKILL), 0);
  ASSERT_TRUE(eventually([&] { return std::ssize(recorder_.troubles()) >= kDeaths; }));
  std::filesystem::remove(order);
  EXPECT_EQ(outcome_of(music_), DecodeOutcome::decoded);
  EXPECT_TRUE(eventually([&] { return pool_->status().workers[0].pid != 0; }));
  finish_neighbours();
  // Those that a worker was at work on when it died: one that is mute may have begun, too.
  const bool begins_work =
      GetParam() == std::string_view("stream") || GetParam() == std::string_view("socket");
  EXPECT_LE(count_disturbed(), begins_work ? kDeaths : 1);
  EXPECT_EQ(pool_->status().workers[1].restarts, 0u);
}

INSTANTIATE_TEST_SUITE_P(Moments, HandOver,
                         testing::Values("start", "handover", "socket", "stream"));

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
