// Damaged files of every format, many at a time and each twice: it ends once, with a reason, in
// time, the same both times, and costs no worker its life or its memory; and once more alone, for
// what it takes of CPU.
// SOUNDGATE_DAMAGED_FILES: how many. SOUNDGATE_DAMAGE_SEED: of another run. A file that fails is
// left in the current folder.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <fstream>
#include <iostream>
#include <thread>

#include "tests/fingerprint/damage.h"
#include "tests/fingerprint/format_table.h"

namespace soundgate::test {
namespace {

using Clock = std::chrono::steady_clock;
using Seconds = std::chrono::duration<double>;

constexpr double kSampleSeconds = 6;
constexpr uint64_t kAtATime = 48;
constexpr double kAudioSecondsMax = 3600;
constexpr double kSecondsPerItem = 1365.0 / 11025;

// What one file may take.
constexpr double kWallSecondsMax = 120;  // among its neighbours, on a busy machine
constexpr double kCpuSecondsMax = 2.5;   // and for each MB:
constexpr double kCpuSecondsPerMb = 0.5;

// More than in the first round, of all workers: heaps do not keep quite the same.
constexpr double kMemoryGrowthMbMax = 40;

uint64_t number_from(const char* variable, uint64_t otherwise) {
  const char* text = std::getenv(variable);
  return text ? std::strtoull(text, nullptr, 10) : otherwise;
}

std::vector<Damager::Sample> samples() {
  std::vector<Damager::Sample> samples;
  for (const FormatRow& row : format_table()) {
    samples.push_back({row.format, read_file(format_file(row, kSampleSeconds).string())});
  }
  return samples;
}

double cpu_seconds(int pid) {
  double nanoseconds = 0;
  std::ifstream("/proc/" + std::to_string(pid) + "/schedstat") >> nanoseconds;
  return nanoseconds / 1e9;
}

// What the process has for itself; the payload is shared.
double own_memory_mb(int pid) {
  std::ifstream status("/proc/" + std::to_string(pid) + "/status");
  for (std::string word; status >> word;) {
    double kb = 0;
    if (word == "RssAnon:" && status >> kb) return kb / 1024;
  }
  return 0;
}

class TimedRecorder : public PoolRecorder {
 public:
  void on_end(uint64_t tag, const DecodeEnd& end) override {
    PoolRecorder::on_end(tag, end);
    const std::lock_guard lock(mutex_);
    ended_at_[tag] = Clock::now();
  }
  std::optional<Clock::time_point> ended_at(uint64_t tag) {
    const std::lock_guard lock(mutex_);
    const auto found = ended_at_.find(tag);
    return found == ended_at_.end() ? std::nullopt : std::optional(found->second);
  }

 private:
  std::mutex mutex_;
  std::map<uint64_t, Clock::time_point> ended_at_;
};

class Damaged : public testing::Test {
 protected:
  Damaged() {
    DecoderPool::Options options;
    options.worker_path = SOUNDGATE_DECODER;
    options.worker_count = 2;
    options.audio_seconds_max = kAudioSecondsMax;
    pool_ = DecoderPool::start(options, recorder_).value();
  }

  struct Feed {
    uint64_t tag;
    uint64_t number;
    StreamHandle stream;
    DamagedFile file;
    size_t appended;
    Clock::time_point begun;
  };

  Feed begin(uint64_t tag) {
    const uint64_t number = tag % count_;
    DamagedFile file = damager_.make(number);
    const int64_t size = number % 3 == 0 ? -1 : std::ssize(file.bytes);
    const StreamHandle stream = pool_->producer(0).begin(tag, size).value();
    return {tag, number, stream, std::move(file), 0, Clock::now()};
  }

  void feed(Feed& feed) {
    const auto rest = std::span(feed.file.bytes).subspan(feed.appended);
    if (feed.appended > feed.file.bytes.size() || recorder_.ended_at(feed.tag)) return;
    const size_t piece_bytes = 1 + feed.tag * 7919 % 40'000 + feed.file.bytes.size() / 50;
    const auto piece = rest.first(std::min(rest.size(), piece_bytes));
    const auto taken = pool_->producer(0).append(feed.stream, piece);
    if (taken == StreamProducer::Append::kFull) return;
    feed.appended += piece.size();
    if (piece.size() < rest.size()) return;
    pool_->producer(0).finish(feed.stream);
    feed.appended = feed.file.bytes.size() + 1;
  }

  // True where there is nothing more to wait for.
  bool settle(const Feed& feed) {
    const auto ended = recorder_.ended_at(feed.tag);
    const double seconds = Seconds(ended.value_or(Clock::now()) - feed.begun).count();
    if (!ended && seconds < kWallSecondsMax) return false;
    longest_seconds_ = std::max(longest_seconds_, seconds);
    if (!ended) {
      complain(feed.number, feed.file, "has not ended");
    } else {
      check(feed);
    }
    return true;
  }

  void check(const Feed& feed) {
    const Heard heard = recorder_.heard(feed.tag);
    if (heard.ends != 1) complain(feed.number, feed.file, "has ended more than once");
    if (!is_the_files(heard.end.outcome)) {
      complain(feed.number, feed.file, std::string(name(heard.end.outcome)));
    }
    if (!is_well_formed(heard)) complain(feed.number, feed.file, "has items that make no sense");
    if (feed.tag == feed.number) {
      ++outcomes_[name(heard.end.outcome)];
      return;
    }
    const Heard before = recorder_.heard(feed.number);
    if (heard.end.outcome != before.end.outcome || heard.items != before.items) {
      complain(feed.number, feed.file, "is another time something else");
    }
  }

  // Not ours, nor its neighbours'.
  static bool is_the_files(DecodeOutcome outcome) {
    switch (outcome) {
      case DecodeOutcome::decoder_crash:
      case DecodeOutcome::decoder_timeout:
      case DecodeOutcome::decoder_lost:
      case DecodeOutcome::decoder_overload:
      case DecodeOutcome::spool_limit:
        return false;
      default:
        return true;
    }
  }

  static bool is_well_formed(const Heard& heard) {
    const DecodeEnd& end = heard.end;
    const bool is_counted = std::ranges::all_of(
        heard.bands, [&](const auto& band) { return band.second.indexes == heard.indexes; });
    return !heard.has_gap && is_counted && end.decoded_seconds >= 0 &&
           end.decoded_seconds <= kAudioSecondsMax && end.gap_seconds == 0 &&
           end.duration_seconds >= end.decoded_seconds && std::isfinite(end.duration_seconds) &&
           static_cast<double>(heard.items.size()) <= end.decoded_seconds / kSecondsPerItem + 1;
  }

  void complain(uint64_t number, const DamagedFile& file, const std::string& what) {
    const std::string path = "damaged-" + std::to_string(seed_) + "-" + std::to_string(number);
    std::ofstream(path, std::ios::binary)
        .write(reinterpret_cast<const char*>(file.bytes.data()), std::ssize(file.bytes));
    ADD_FAILURE() << file.what << ": " << what << "; see " << path;
  }

  // The most memory that workers had meanwhile.
  double run(uint64_t first, uint64_t end) {
    double most_mb = 0;
    std::vector<Feed> feeds;
    while (first < end || !feeds.empty()) {
      while (first < end && feeds.size() < kAtATime) feeds.push_back(begin(first++));
      for (Feed& each : feeds) feed(each);
      if (std::erase_if(feeds, [this](const Feed& each) { return settle(each); }) == 0) {
        std::this_thread::sleep_for(std::chrono::microseconds(200));
      }
      most_mb = std::max(most_mb, memory_mb());
    }
    return most_mb;
  }

  // Alone, so that what its worker takes is what it takes.
  double cpu_seconds_of(const DamagedFile& file) {
    double before = 0;
    double after = 0;
    for (const auto& worker : pool_->status().workers) before += cpu_seconds(worker.pid);
    EXPECT_TRUE(decode(*pool_, recorder_, file.bytes));
    for (const auto& worker : pool_->status().workers) after += cpu_seconds(worker.pid);
    return after - before;
  }

  void time_each() {
    std::pair<double, std::string> dearest{};
    for (uint64_t number = 0; number < count_; ++number) {
      const DamagedFile file = damager_.make(number);
      const double seconds = cpu_seconds_of(file);
      const double mb = static_cast<double>(file.bytes.size()) / 1e6;
      dearest = std::max(dearest, {seconds, file.what + ", number " + std::to_string(number)});
      if (seconds > kCpuSecondsMax + kCpuSecondsPerMb * mb) {
        complain(number, file, "takes " + std::to_string(seconds) + " s of CPU");
      }
    }
    std::cout << "longest among others " << longest_seconds_ << " s; most CPU, alone "
              << dearest.first << " s: " << dearest.second << "\n";
  }

  double memory_mb() {
    double sum = 0;
    for (const auto& worker : pool_->status().workers) sum += own_memory_mb(worker.pid);
    return sum;
  }

  const uint64_t count_ = number_from("SOUNDGATE_DAMAGED_FILES", 1000);
  const uint64_t seed_ = number_from("SOUNDGATE_DAMAGE_SEED", 20261129);
  const Damager damager_{samples(), seed_};
  TimedRecorder recorder_;
  std::unique_ptr<DecoderPool> pool_;
  std::map<std::string_view, uint64_t> outcomes_;
  double longest_seconds_ = 0;
};

TEST_F(Damaged, FilesCostNothingButThemselves) {
  std::cout << "seed " << seed_ << ", " << count_ << " files\n";
  const double before_mb = run(0, count_);
  const double after_mb = run(count_, 2 * count_);

  for (const auto& [outcome, count] : outcomes_) std::cout << outcome << " " << count << "\n";
  std::cout << "workers' memory, first round " << before_mb << " MB at most, second " << after_mb
            << " MB\n";
  EXPECT_LE(after_mb, before_mb + kMemoryGrowthMbMax);

  time_each();

  const DecoderPool::Status status = pool_->status();
  EXPECT_EQ(status.crashes, 0u);
  EXPECT_EQ(status.timeouts, 0u);
  for (const auto& worker : status.workers) EXPECT_EQ(worker.restarts, 0u);
  EXPECT_THAT(recorder_.troubles(), testing::IsEmpty());
}

}  // namespace
}  // namespace soundgate::test
