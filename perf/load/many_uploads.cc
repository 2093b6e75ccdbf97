// What memory decoders take for many uploads in flight, and whether each of them gets on.
// usage: load_many_uploads [--uploads N] [--speed X] [--check] FILE...
//   N uploads at a time (2,000), FILEs of 20 s in turns, each X times as fast as it plays (1), in
//   as many workers as it takes (256 each). Memory is looked at in the middle. A worker hands items
//   over each 3 s of audio (and 2.6 s after the first): what an upload waits longer than that for
//   is how far its decoding lags behind its bytes.
//   --check: exits 1 where the workers take more than 3 GiB (payload apart), where an upload lags
//   more than a second, or is not decoded whole.
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <condition_variable>
#include <cstdio>
#include <fstream>
#include <iterator>
#include <mutex>
#include <stdexcept>
#include <string>
#include <vector>

#include "fingerprint/decode/decoder_pool.h"

namespace {

using namespace soundgate;
using Clock = std::chrono::steady_clock;

constexpr size_t kStreamsPerWorker = 256;
constexpr size_t kPacketBytes = 1460;
constexpr double kSecondsBetweenItems = 24 * kItemSeconds;
constexpr double kClipSeconds = 20;  // each FILE
constexpr double kGibMax = 3;
constexpr double kLagSecondsMax = 1;

class Listener : public DecodeListener {
 public:
  explicit Listener(size_t count) : heard_(count) {}

  void on_items(uint64_t tag, uint32_t, std::span<const Item>) override {
    const std::lock_guard lock(mutex_);
    const auto now = Clock::now();
    if (heard_[tag] != Clock::time_point{}) {
      const std::chrono::duration<double> since = now - heard_[tag];
      longest_wait_ = std::max(longest_wait_, since.count());
    }
    heard_[tag] = now;
  }
  void on_end(uint64_t, const DecodeEnd& end) override {
    const std::lock_guard lock(mutex_);
    whole_ += end.outcome == DecodeOutcome::decoded;
    ++ended_;
    changed_.notify_one();
  }

  size_t wait_for(size_t count) {
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [&] { return ended_ == count; });
    return whole_;
  }
  double longest_wait() const { return longest_wait_; }

 private:
  std::mutex mutex_;
  std::condition_variable changed_;
  std::vector<Clock::time_point> heard_;
  double longest_wait_ = 0;  // seconds
  size_t ended_ = 0, whole_ = 0;
};

std::vector<std::byte> read(const std::string& path) {
  std::ifstream in(path, std::ios::binary);
  const std::vector<char> bytes{std::istreambuf_iterator<char>(in), {}};
  const auto view = std::as_bytes(std::span(bytes));
  return {view.begin(), view.end()};
}

// What belongs to the process alone.
double own_gib(int pid) {
  std::ifstream in("/proc/" + std::to_string(pid) + "/smaps_rollup");
  for (std::string key; in >> key;) {
    double kilobytes = 0;
    if (key == "Pss_Anon:" && in >> kilobytes) return kilobytes / (1 << 20);
  }
  throw std::runtime_error("a worker's memory cannot be read");
}

struct File {
  std::vector<std::byte> bytes;
  double seconds = 0;
};

struct Upload {
  StreamHandle handle{};
  const File* file = nullptr;
  double begins_at = 0;  // seconds
  size_t sent = 0;
  bool finished = false;
};

void send_what_is_due(StreamProducer& producer, Upload& upload, double now, double speed) {
  const std::span<const std::byte> bytes = upload.file->bytes;
  const double share = (now - upload.begins_at) * speed / upload.file->seconds;
  while (upload.sent < bytes.size() &&
         static_cast<double>(upload.sent) < share * static_cast<double>(bytes.size())) {
    const auto piece =
        bytes.subspan(upload.sent, std::min(kPacketBytes, bytes.size() - upload.sent));
    if (producer.append(upload.handle, piece) != StreamProducer::Append::kTaken) {
      throw std::runtime_error("bytes were not taken");
    }
    upload.sent += piece.size();
  }
  if (upload.sent < bytes.size()) return;
  producer.finish(upload.handle);
  upload.finished = true;
}

double own_gib(const DecoderPool& pool) {
  double gib = 0;
  for (const auto& worker : pool.status().workers) gib += own_gib(worker.pid);
  return gib;
}

struct Options {
  size_t uploads = 2000;
  double speed = 1;
  bool check = false;
  std::vector<std::string> files;
};

Options parse(int argc, char** argv) {
  Options options;
  for (int i = 1; i < argc; ++i) {
    const std::string argument = argv[i];
    if (argument == "--check") {
      options.check = true;
    } else if (argument == "--uploads" && i + 1 < argc) {
      options.uploads = std::stoul(argv[++i]);
    } else if (argument == "--speed" && i + 1 < argc) {
      options.speed = std::stod(argv[++i]);
    } else {
      options.files.push_back(argument);
    }
  }
  return options;
}

// What all of them took in the middle.
double run(DecoderPool& pool, std::vector<Upload>& uploads, double speed) {
  double gib = 0, longest = 0;
  for (const Upload& upload : uploads) {
    longest = std::max(longest, upload.begins_at + upload.file->seconds / speed);
  }
  const auto start = Clock::now();
  for (;;) {
    const double now = std::chrono::duration<double>(Clock::now() - start).count();
    bool all_finished = true;
    for (Upload& upload : uploads) {
      if (!upload.finished) send_what_is_due(pool.producer(0), upload, now, speed);
      all_finished &= upload.finished;
    }
    if (gib == 0 && now > longest / 2) gib = own_gib(pool);
    if (all_finished) return gib;
    usleep(2000);
  }
}

}  // namespace

int main(int argc, char** argv) {
  const Options options = parse(argc, argv);
  if (options.files.empty() || options.uploads == 0) return 2;
  Listener listener(options.uploads + 1);
  DecoderPool::Options pool_options;
  pool_options.worker_path = SOUNDGATE_DECODER;
  pool_options.worker_count =
      static_cast<int>((options.uploads + kStreamsPerWorker - 1) / kStreamsPerWorker);
  pool_options.payload_bytes_per_worker = size_t{1} << 30;
  const auto pool = std::move(DecoderPool::start(pool_options, listener).value());

  std::vector<File> files;
  for (const std::string& path : options.files) {
    files.push_back({read(path), 0});
    files.back().seconds = kClipSeconds;
  }
  std::vector<Upload> uploads(options.uploads);
  for (size_t i = 0; i < uploads.size(); ++i) {
    const File& file = files[i % files.size()];
    uploads[i].file = &file;
    uploads[i].begins_at = kSecondsBetweenItems * static_cast<double>(i) /
                           static_cast<double>(uploads.size());  // not all at the same moment
    uploads[i].handle = pool->producer(0).begin(i, static_cast<int64_t>(file.bytes.size())).value();
  }
  const double gib = run(*pool, uploads, options.speed);
  const size_t whole = listener.wait_for(uploads.size());
  const double lag = listener.longest_wait() - kSecondsBetweenItems / options.speed;
  std::printf("%zu uploads in %d workers: %.2f GiB (%.0f), %.2f MiB each\n", uploads.size(),
              pool_options.worker_count, gib, kGibMax,
              gib * 1024 / static_cast<double>(uploads.size()));
  std::printf("the one that waited longest lagged %.2f s (%.0f); decoded whole: %zu\n", lag,
              kLagSecondsMax, whole);
  const bool kept = gib <= kGibMax && lag <= kLagSecondsMax && whole == uploads.size();
  return options.check && !kept ? 1 : 0;
}
