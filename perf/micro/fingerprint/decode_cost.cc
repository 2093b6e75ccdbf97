// What a worker costs for each second of audio, against `fpcalc -length 0` and against bare
// decoding by libavcodec, of the same files in the same run, and what it costs to decode a quarter
// of each minute against all. CPU time; start-up aside.
// usage: micro_decode [--rounds N] [--check] FILE...
//   --check: exits 1 where a worker costs more than 0.92 of fpcalc (AAC: 0.88), or more than 1.15
//   of bare decoding (AAC: 1.30), or a quarter more than 0.35 of all.
// Each round has all in turn, and the best of the rounds counts: others may be on the machine.
// Files should be some minutes long: perf/decode_cost.py makes such and calls this.
#include <fcntl.h>
#include <spawn.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <algorithm>
#include <condition_variable>
#include <cstdio>
#include <fstream>
#include <iterator>
#include <mutex>
#include <optional>
#include <stdexcept>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "fingerprint/decode/decoder_pool.h"
#include "perf/micro/fingerprint/bare_decode.h"

namespace {

using namespace soundgate;

struct Limits {
  double of_fpcalc, of_bare;
};
Limits limits_of(std::string_view codec) {
  return codec == "aac" ? Limits{0.88, 1.30} : Limits{0.92, 1.15};
}

double seconds_of(clockid_t clock) {
  timespec time{};
  clock_gettime(clock, &time);
  return static_cast<double>(time.tv_sec) + 1e-9 * static_cast<double>(time.tv_nsec);
}

class EndListener : public DecodeListener {
 public:
  void on_items(uint64_t, uint32_t, std::span<const Item>) override {}
  void on_end(uint64_t, const DecodeEnd& end) override {
    const std::lock_guard lock(mutex_);
    end_ = end;
    ended_.notify_one();
  }
  void on_trouble(const std::string& what) override { std::fprintf(stderr, "%s\n", what.c_str()); }
  DecodeEnd wait() {
    std::unique_lock lock(mutex_);
    ended_.wait(lock, [this] { return end_.has_value(); });
    return *std::exchange(end_, std::nullopt);
  }

 private:
  std::mutex mutex_;
  std::condition_variable ended_;
  std::optional<DecodeEnd> end_;
};

class Worker {
 public:
  Worker() {
    DecoderPool::Options options;
    options.worker_path = SOUNDGATE_DECODER;
    options.worker_count = 1;
    options.producer_parts = {{256, size_t{256} << 20, true}};
    auto pool = DecoderPool::start(options, listener_);
    if (!pool) throw std::runtime_error(pool.error());
    pool_ = std::move(*pool);
    clock_getcpuclockid(pool_->status().workers[0].pid, &clock_);
  }

  // CPU seconds of the worker.
  double decode(const std::string& path, DecodeEnd& end, const CoverageSettings& coverage = {}) {
    pool_->set_coverage(coverage);
    std::ifstream file(path, std::ios::binary);
    std::vector<char> piece(65536);
    const double before = seconds_of(clock_);
    StreamProducer& producer = pool_->producer(0);
    const StreamHandle stream = producer.begin(1, size_of(path)).value();
    while (file.read(piece.data(), static_cast<std::streamsize>(piece.size())), file.gcount() > 0) {
      const std::span bytes(piece.data(), static_cast<size_t>(file.gcount()));
      while (producer.append(stream, std::as_bytes(bytes)) == StreamProducer::Append::kFull) {
        usleep(500);
      }
    }
    producer.finish(stream);
    end = listener_.wait();
    if (end.outcome != DecodeOutcome::decoded) {
      throw std::runtime_error(path + ": " + std::string(text(end.outcome)));
    }
    return seconds_of(clock_) - before;
  }

 private:
  static int64_t size_of(const std::string& path) {
    return std::ifstream(path, std::ios::binary | std::ios::ate).tellg();
  }

  EndListener listener_;
  std::unique_ptr<DecoderPool> pool_;
  clockid_t clock_{};
};

double fpcalc_seconds(const std::string& path, const char* length) {
  const auto children = [] {
    rusage usage{};
    getrusage(RUSAGE_CHILDREN, &usage);
    return static_cast<double>(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) +
           1e-6 * static_cast<double>(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec);
  };
  const double before = children();
  std::string name = "fpcalc", option = "-length", value = length, file = path;
  char* const arguments[] = {name.data(), option.data(), value.data(), file.data(), nullptr};
  posix_spawn_file_actions_t silence;
  posix_spawn_file_actions_init(&silence);
  for (const int out : {1, 2}) {
    posix_spawn_file_actions_addopen(&silence, out, "/dev/null", O_WRONLY, 0);
  }
  pid_t pid = 0;
  if (posix_spawnp(&pid, "fpcalc", &silence, nullptr, arguments, environ) != 0) {
    throw std::runtime_error("cannot run fpcalc (Debian package libchromaprint-tools)");
  }
  posix_spawn_file_actions_destroy(&silence);
  waitpid(pid, nullptr, 0);
  return children() - before;
}

constexpr CoverageSettings kQuarter{.share = 0.25, .period_seconds = 60};
constexpr double kQuarterMax = 0.35;

struct Cost {
  double worker = 1e9, quarter = 1e9, fpcalc = 1e9, bare = 1e9, start_up = 1e9;
  DecodeEnd end;

  void measure(Worker& pool, const std::string& path) {
    quarter = std::min(quarter, pool.decode(path, end, kQuarter));
    worker = std::min(worker, pool.decode(path, end));
    const double before = seconds_of(CLOCK_THREAD_CPUTIME_ID);
    decode_bare(path);
    bare = std::min(bare, seconds_of(CLOCK_THREAD_CPUTIME_ID) - before);
    fpcalc = std::min(fpcalc, fpcalc_seconds(path, "0"));
    start_up = std::min(start_up, fpcalc_seconds(path, "1"));
  }
  double of_fpcalc() const { return worker / (fpcalc - start_up); }
  double of_bare() const { return worker / bare; }
  double of_all() const { return quarter / worker; }
};

// Whether it is within the limits.
bool report(const std::string& path, const Cost& cost) {
  const Limits limits = limits_of(cost.end.codec);
  const bool kept = cost.of_fpcalc() <= limits.of_fpcalc && cost.of_bare() <= limits.of_bare &&
                    cost.of_all() <= kQuarterMax;
  const double per_hour = 3600 / cost.end.decoded_seconds;
  std::printf("%-8s %9.2f s %11.3f (%.2f) %9.3f (%.2f) %9.3f (%.2f)  %s%s\n", cost.end.codec,
              cost.worker * per_hour, cost.of_fpcalc(), limits.of_fpcalc, cost.of_bare(),
              limits.of_bare, cost.of_all(), kQuarterMax, path.substr(path.rfind('/') + 1).c_str(),
              kept ? "" : "  OVER");
  return kept;
}

}  // namespace

int main(int argc, char** argv) {
  bool check = false;
  int rounds = 5;
  std::vector<std::string> paths;
  for (int i = 1; i < argc; ++i) {
    const std::string_view argument = argv[i];
    if (argument == "--check") {
      check = true;
    } else if (argument == "--rounds" && i + 1 < argc) {
      rounds = std::max(1, std::atoi(argv[++i]));
    } else {
      paths.emplace_back(argument);
    }
  }
  Worker worker;
  DecodeEnd ignored;
  for (const std::string& path : paths) worker.decode(path, ignored);  // warms up
  bool all_kept = !paths.empty();
  std::printf("%-8s %11s %18s %16s %16s\n", "", "CPU an hour", "of fpcalc (limit)",
              "of bare (limit)", "quarter (limit)");
  for (const std::string& path : paths) {
    Cost cost;
    for (int round = 0; round < rounds; ++round) cost.measure(worker, path);
    all_kept &= report(path, cost);
  }
  return check && !all_kept ? 1 : 0;
}
