// What an upload costs whose bytes are known, against decoding it, in the same run.
// usage: micro_exact [--check] FILE...
// CPU of this process and of its worker, without reading files, matching or starting up. Each file
// is decoded by a pool that remembers nothing, and by one that has decoded it before; in turns, and
// the median of the rounds counts: the first ones touch memory that was never used.
//   --check: exits 1 where a file takes more than 0.03, or is not recognised. Not for PCM, whose
//   decoding costs next to nothing: it says only that it is over.
#include <algorithm>
#include <cstdio>
#include <exception>
#include <string>
#include <string_view>
#include <vector>

#include "perf/micro/fingerprint/one_worker.h"

namespace {

using namespace soundgate;

constexpr double kShareMax = 0.03;
constexpr int kRounds = 9;

double median(std::vector<double> values) {
  std::ranges::sort(values);
  return values[values.size() / 2];
}

double cpu_of(const OneWorker::Cost& cost) { return cost.worker_seconds + cost.host_seconds; }

// Whether it is within the limit.
bool measure(const std::string& path, OneWorker& forgetful, OneWorker& remembering) {
  const std::vector<std::byte> bytes = read_file(path);
  remembering.decode(bytes);
  std::vector<double> decoding, knowing;
  DecodeEnd end;
  for (int round = 0; round < kRounds; ++round) {
    decoding.push_back(cpu_of(forgetful.decode(bytes)));
    const OneWorker::Cost cost = remembering.decode(bytes);
    knowing.push_back(cpu_of(cost));
    end = cost.end;
  }
  const double share = median(knowing) / median(decoding);
  const bool kept = share <= kShareMax;
  std::printf("%-9s %4.0f s %5.1f MB  decoded %7.2f ms  known %6.3f ms  share %.4f (%.2f)%s%s\n",
              end.codec, end.duration_seconds, static_cast<double>(bytes.size()) / 1e6,
              median(decoding) * 1e3, median(knowing) * 1e3, share, kShareMax,
              end.exact ? "" : "  NOT RECOGNISED", kept ? "" : "  OVER");
  return end.exact && (kept || std::string_view(end.codec).starts_with("pcm"));
}

}  // namespace

int main(int argc, char** argv) {
  std::vector<std::string> paths(argv + 1, argv + argc);
  const bool check = std::erase(paths, "--check") > 0;
  try {
    OneWorker forgetful, remembering(size_t{256} << 20);
    bool good = !paths.empty();
    for (const std::string& path : paths) good &= measure(path, forgetful, remembering);
    return check && !good ? 1 : 0;
  } catch (const std::exception& error) {
    std::fprintf(stderr, "%s\n", error.what());
    return 1;
  }
}
