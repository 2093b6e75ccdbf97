// How long an upload takes that arrives all at once, on one decoder and on several that share it.
// usage: load_burst [--workers N] [--rounds N] [--check] FILE...
//   Each FILE in turn on a pool of one worker and on one of N (2), from its first byte until its
//   end is heard; the median of the rounds (9). Nothing is remembered of what was decoded.
//   --check: exits 1 where N = 2 take more than 0.6 of the time of one.
#include <algorithm>
#include <chrono>
#include <condition_variable>
#include <cstdio>
#include <cstring>
#include <fstream>
#include <iterator>
#include <mutex>
#include <span>
#include <stdexcept>
#include <string>
#include <vector>

#include "fingerprint/decode/decoder_pool.h"

namespace {

using namespace soundgate;
using Clock = std::chrono::steady_clock;

constexpr size_t kPieceBytes = 65'535;
constexpr double kShareMax = 0.6;

class Listener : public DecodeListener {
 public:
  void on_items(uint64_t, uint32_t, std::span<const Item>) override {}
  void on_end(uint64_t tag, const DecodeEnd& end) override {
    const std::lock_guard lock(mutex_);
    ended_ = tag;
    end_ = end;
    changed_.notify_one();
  }
  DecodeEnd wait_for(uint64_t tag) {
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [&] { return ended_ == tag; });
    return end_;
  }

 private:
  std::mutex mutex_;
  std::condition_variable changed_;
  uint64_t ended_ = 0;
  DecodeEnd end_;
};

class Bench {
 public:
  explicit Bench(int workers) {
    DecoderPool::Options options;
    options.worker_path = SOUNDGATE_DECODER;
    options.worker_count = workers;
    options.payload_bytes_per_worker = size_t{512} << 20;
    auto pool = DecoderPool::start(options, listener_);
    if (!pool) throw std::runtime_error(pool.error());
    pool_ = std::move(*pool);
  }

  double seconds_for(std::span<const std::byte> bytes) {
    const auto begin = Clock::now();
    StreamProducer& producer = pool_->producer(0);
    const auto stream = producer.begin(++tag_, static_cast<int64_t>(bytes.size())).value();
    while (!bytes.empty()) {
      const auto piece = bytes.first(std::min(bytes.size(), kPieceBytes));
      if (producer.append(stream, piece) != StreamProducer::Append::kTaken) {
        throw std::runtime_error("bytes were not taken");
      }
      bytes = bytes.subspan(piece.size());
    }
    producer.finish(stream);
    const DecodeEnd end = listener_.wait_for(tag_);
    if (end.outcome != DecodeOutcome::decoded || end.gap_seconds > 0) {
      throw std::runtime_error("an upload was not decoded whole");
    }
    return std::chrono::duration<double>(Clock::now() - begin).count();
  }
  uint64_t divided() const { return pool_->status().divided; }

 private:
  Listener listener_;
  std::unique_ptr<DecoderPool> pool_;
  uint64_t tag_ = 0;
};

double median(std::vector<double> values) {
  std::ranges::sort(values);
  return values[values.size() / 2];
}

std::vector<std::byte> read(const std::string& path) {
  std::ifstream in(path, std::ios::binary);
  if (!in) throw std::runtime_error(path + " cannot be read");
  const std::vector<char> bytes{std::istreambuf_iterator<char>(in), {}};
  const auto view = std::as_bytes(std::span(bytes));
  return {view.begin(), view.end()};
}

int run(const std::vector<std::string>& files, int workers, int rounds, bool check) {
  Bench one(1), several(workers);
  bool is_slow = false;
  std::printf("%-28s %10s %10s %6s\n", "", "1 worker", "several", "share");
  for (const std::string& file : files) {
    const auto bytes = read(file);
    one.seconds_for(bytes);  // memory is touched for the first time
    several.seconds_for(bytes);
    std::vector<double> alone, shared, shares;
    for (int round = 0; round < rounds; ++round) {
      alone.push_back(one.seconds_for(bytes));
      shared.push_back(several.seconds_for(bytes));
      shares.push_back(shared.back() / alone.back());
    }
    const double share = median(shares);
    is_slow |= share > kShareMax;
    std::printf("%-28s %8.0f ms %8.0f ms %6.3f\n", file.substr(file.rfind('/') + 1).c_str(),
                median(alone) * 1000, median(shared) * 1000, share);
  }
  if (several.divided() != files.size() * static_cast<size_t>(rounds + 1)) {
    throw std::runtime_error("not every upload was divided");
  }
  return check && is_slow ? 1 : 0;
}

}  // namespace

int main(int argc, char** argv) try {
  int workers = 2, rounds = 9;
  bool check = false;
  std::vector<std::string> files;
  for (int i = 1; i < argc; ++i) {
    const std::string argument = argv[i];
    if (argument == "--check") {
      check = true;
    } else if (argument == "--workers" && i + 1 < argc) {
      workers = std::stoi(argv[++i]);
    } else if (argument == "--rounds" && i + 1 < argc) {
      rounds = std::stoi(argv[++i]);
    } else {
      files.push_back(argument);
    }
  }
  if (files.empty() || workers < 2 || rounds < 1) {
    std::fprintf(stderr, "usage: load_burst [--workers N] [--rounds N] [--check] FILE...\n");
    return 2;
  }
  return run(files, workers, rounds, check);
} catch (const std::exception& error) {
  std::fprintf(stderr, "load_burst: %s\n", error.what());
  return 1;
}
