// What an upload costs whose bytes are known, against decoding it, in the same run.
//
//   exact_cost [--check] FILE…
//
// CPU of this process and of its worker, without reading files, matching or starting up. Each file
// is decoded by a pool that remembers nothing, and by one that has decoded it before; in turns, and
// the median of the rounds counts: the first ones touch memory that was never used. --check: exits
// 1 where a file takes more than kShareMax; of PCM, which costs next to nothing to decode, more
// than kPcmShareMax.
#include <time.h>

#include <algorithm>
#include <array>
#include <condition_variable>
#include <cstdio>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "fingerprint/decode/decoder_pool.h"

namespace soundgate {
namespace {

constexpr double kShareMax = 0.03, kPcmShareMax = 0.15;
constexpr int kRounds = 9;
constexpr size_t kPieceBytes = 16 << 10;

using Bytes = std::vector<std::byte>;

Bytes read_file(const std::string& path) {
  std::ifstream file(path, std::ios::binary | std::ios::ate);
  Bytes bytes(file ? static_cast<size_t>(file.tellg()) : 0);
  file.seekg(0);
  file.read(reinterpret_cast<char*>(bytes.data()), static_cast<std::streamsize>(bytes.size()));
  if (!file) std::fprintf(stderr, "cannot read %s\n", path.c_str());
  return file ? bytes : Bytes();
}

class EndListener : public DecodeListener {
 public:
  void on_items(uint64_t, uint32_t, std::span<const Item>) override {}
  void on_end(uint64_t tag, const DecodeEnd& end) override {
    const std::lock_guard lock(mutex_);
    ends_[tag] = end;
    changed_.notify_all();
  }
  DecodeEnd wait(uint64_t tag) {
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [&] { return ends_.contains(tag); });
    return ends_[tag];
  }

 private:
  std::mutex mutex_;
  std::condition_variable changed_;
  std::map<uint64_t, DecodeEnd> ends_;
};

double seconds(clockid_t clock) {
  timespec time{};
  clock_gettime(clock, &time);
  return static_cast<double>(time.tv_sec) + 1e-9 * static_cast<double>(time.tv_nsec);
}

class Decoders {
 public:
  explicit Decoders(size_t known_bytes_max) {
    DecoderPool::Options options;
    options.worker_path = SOUNDGATE_DECODER;
    options.worker_count = 1;
    options.known_bytes_max = known_bytes_max;
    auto pool = DecoderPool::start(options, listener_);
    if (!pool) throw std::runtime_error(pool.error());
    pool_ = std::move(*pool);
    clock_getcpuclockid(pool_->status().workers[0].pid, &worker_clock_);
  }

  struct Cost {
    double seconds;
    DecodeEnd end;
  };
  Cost decode(const Bytes& bytes) {
    const uint64_t ended = pool_->status().streams_ended;
    const double before = cpu_seconds();
    StreamProducer& producer = pool_->producer(0);
    const StreamHandle stream = producer.begin(++tag_, std::ssize(bytes)).value();
    for (std::span rest(bytes); !rest.empty();) {
      const auto piece = rest.first(std::min(kPieceBytes, rest.size()));
      if (producer.append(stream, piece) == StreamProducer::Append::kFull) {
        std::this_thread::sleep_for(std::chrono::milliseconds(2));
      } else {
        rest = rest.subspan(piece.size());
      }
    }
    producer.finish(stream);
    const DecodeEnd end = listener_.wait(tag_);
    while (pool_->status().streams_ended == ended) {  // the worker has dropped it, too
      std::this_thread::sleep_for(std::chrono::milliseconds(1));
    }
    return {cpu_seconds() - before, end};
  }

 private:
  double cpu_seconds() const { return seconds(CLOCK_PROCESS_CPUTIME_ID) + seconds(worker_clock_); }

  EndListener listener_;
  std::unique_ptr<DecoderPool> pool_;
  clockid_t worker_clock_{};
  uint64_t tag_ = 0;
};

double median(std::vector<double> values) {
  std::ranges::sort(values);
  return values[values.size() / 2];
}

// Whether it is within the limit.
bool measure(const std::string& path, Decoders& forgetful, Decoders& remembering) {
  const Bytes bytes = read_file(path);
  if (bytes.empty()) return false;
  remembering.decode(bytes);
  std::vector<double> decoding, knowing;
  DecodeEnd end;
  for (int round = 0; round < kRounds; ++round) {
    decoding.push_back(forgetful.decode(bytes).seconds);
    const Decoders::Cost cost = remembering.decode(bytes);
    knowing.push_back(cost.seconds);
    end = cost.end;
  }
  const double share = median(knowing) / median(decoding);
  const bool is_pcm = std::string_view(end.codec).starts_with("pcm");
  const double limit = is_pcm ? kPcmShareMax : kShareMax;
  const bool good = end.exact && share <= limit;
  std::printf("%-9s %4.0f s %5.1f MB  decoded %7.2f ms  known %6.3f ms  share %.4f of %.2f%s\n",
              end.codec, end.duration_seconds, static_cast<double>(bytes.size()) / 1e6,
              median(decoding) * 1e3, median(knowing) * 1e3, share, limit,
              !end.exact ? "  NOT RECOGNISED"
              : good     ? ""
                         : "  OVER");
  return good;
}

}  // namespace
}  // namespace soundgate

int main(int argc, char** argv) {
  std::vector<std::string> paths(argv + 1, argv + argc);
  const bool check = std::erase(paths, "--check") > 0;
  soundgate::Decoders forgetful(0), remembering(size_t{256} << 20);
  bool good = true;
  for (const std::string& path : paths) good &= soundgate::measure(path, forgetful, remembering);
  return check && !good ? 1 : 0;
}
