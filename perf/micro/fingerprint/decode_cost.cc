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
#include <cstdio>
#include <stdexcept>
#include <string>
#include <string_view>
#include <vector>

#include "perf/micro/fingerprint/bare_decode.h"
#include "perf/micro/fingerprint/one_worker.h"

namespace {

using namespace soundgate;

struct Limits {
  double of_fpcalc, of_bare;
};
Limits limits_of(std::string_view codec) {
  return codec == "aac" ? Limits{0.88, 1.30} : Limits{0.92, 1.15};
}

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

constexpr CoverageSettings kQuarter{.share = 0.25};
constexpr double kQuarterMax = 0.35;

struct Cost {
  double worker = 1e9, quarter = 1e9, fpcalc = 1e9, bare = 1e9, start_up = 1e9;
  DecodeEnd end;

  void measure(OneWorker& pool, const std::string& path) {
    {
      const std::vector<std::byte> bytes = read_file(path);
      quarter = std::min(quarter, pool.decode(bytes, kQuarter).worker_seconds);
      const OneWorker::Cost all = pool.decode(bytes);
      worker = std::min(worker, all.worker_seconds);
      end = all.end;
    }
    const double before = cpu_seconds(CLOCK_THREAD_CPUTIME_ID);
    decode_bare(path);
    bare = std::min(bare, cpu_seconds(CLOCK_THREAD_CPUTIME_ID) - before);
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
  OneWorker worker;
  for (const std::string& path : paths) worker.decode(read_file(path));  // warms up
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
