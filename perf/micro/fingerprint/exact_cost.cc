// What an upload costs whose bytes are known, or the packets in it, against decoding it, in the same
// run.
// usage: micro_exact [--check] FILE|FILE=COPY...
// COPY: the same packets in another file; it is measured once FILE is known.
// CPU of this process and of its worker, without reading files, matching or starting up. Each file
// is decoded by a pool that remembers nothing, and by one that has decoded it before; in turns, and
// the median of the rounds counts: the first ones touch memory that was never used.
//   --check: exits 1 where a file takes more than 0.03, a copy more than its format may (README of
//   fingerprint/), or is not recognised. Not for PCM, whose decoding costs next to nothing: it says
//   only that it is over.
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
// Of a copy, whose packets have to be taken out of it, which is what its decoding begins with.
double copy_share_max(std::string_view codec) {
  if (codec == "opus") return 0.06;
  return codec == "flac" ? 0.2 : 0.12;
}
constexpr int kRounds = 9;

double median(std::vector<double> values) {
  std::ranges::sort(values);
  return values[values.size() / 2];
}

double cpu_of(const OneWorker::Cost& cost) { return cost.worker_seconds + cost.host_seconds; }

// What it costs that a stream might be known, and is not: by a pool that looks, and has no room to
// remember.
void measure_looking(const std::string& path, OneWorker& forgetful, OneWorker& looking) {
  const std::vector<std::byte> bytes = read_file(path);
  std::vector<double> without, with;
  for (int round = 0; round < kRounds; ++round) {
    without.push_back(cpu_of(forgetful.decode(bytes)));
    with.push_back(cpu_of(looking.decode(bytes)));
  }
  std::printf("%s: not known, all of %.4f (best of %d: %.4f)\n", path.c_str(),
              median(with) / median(without), kRounds,
              *std::ranges::min_element(with) / *std::ranges::min_element(without));
}

// Whether it is within the limit.
bool measure(const std::string& what, OneWorker& forgetful, OneWorker& remembering) {
  const size_t original_end = what.find('=');
  const bool is_copy = original_end != std::string::npos;
  remembering.decode(read_file(what.substr(0, original_end)));
  const std::vector<std::byte> bytes = read_file(is_copy ? what.substr(original_end + 1) : what);
  std::vector<double> decoding, knowing;
  DecodeEnd end;
  for (int round = 0; round < kRounds; ++round) {
    decoding.push_back(cpu_of(forgetful.decode(bytes)));
    const OneWorker::Cost cost = remembering.decode(bytes);
    knowing.push_back(cpu_of(cost));
    end = cost.end;
  }
  const double share = median(knowing) / median(decoding);
  const double share_max = is_copy ? copy_share_max(end.codec) : kShareMax;
  const bool kept = share <= share_max;
  const bool recognised = end.exact && end.exact_packets == is_copy;
  std::printf(
      "%-9s %-8s %-7s %4.0f s %5.1f MB  decoded %7.2f ms  known %6.3f ms  share %.4f (%.2f)%s%s\n",
      end.codec, end.format, is_copy ? "packets" : "bytes", end.duration_seconds,
      static_cast<double>(bytes.size()) / 1e6, median(decoding) * 1e3, median(knowing) * 1e3, share,
      share_max, recognised ? "" : "  NOT RECOGNISED", kept ? "" : "  OVER");
  return recognised && (kept || std::string_view(end.codec).starts_with("pcm"));
}

}  // namespace

int main(int argc, char** argv) {
  std::vector<std::string> paths(argv + 1, argv + argc);
  const bool check = std::erase(paths, "--check") > 0;
  try {
    OneWorker forgetful, remembering(size_t{256} << 20), looking(1);
    bool good = !paths.empty();
    for (const std::string& path : paths) good &= measure(path, forgetful, remembering);
    for (const std::string& path : paths) {
      if (path.find('=') == std::string::npos) measure_looking(path, forgetful, looking);
    }
    return check && !good ? 1 : 0;
  } catch (const std::exception& error) {
    std::fprintf(stderr, "%s\n", error.what());
    return 1;
  }
}
