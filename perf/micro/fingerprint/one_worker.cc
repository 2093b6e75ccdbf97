#include "perf/micro/fingerprint/one_worker.h"

#include <time.h>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <fstream>
#include <stdexcept>
#include <thread>
#include <utility>

namespace soundgate {

using namespace std::chrono_literals;

std::vector<std::byte> read_file(const std::string& path) {
  std::ifstream file(path, std::ios::binary | std::ios::ate);
  if (!file) throw std::runtime_error("cannot read " + path);
  std::vector<std::byte> bytes(static_cast<size_t>(file.tellg()));
  file.seekg(0);
  file.read(reinterpret_cast<char*>(bytes.data()), static_cast<std::streamsize>(bytes.size()));
  return bytes;
}

double cpu_seconds(clockid_t clock) {
  timespec time{};
  clock_gettime(clock, &time);
  return static_cast<double>(time.tv_sec) + 1e-9 * static_cast<double>(time.tv_nsec);
}

void OneWorker::EndListener::on_end(uint64_t, const DecodeEnd& end) {
  const std::lock_guard lock(mutex_);
  end_ = end;
  ended_.notify_one();
}

void OneWorker::EndListener::on_trouble(const std::string& what) {
  std::fprintf(stderr, "%s\n", what.c_str());
}

DecodeEnd OneWorker::EndListener::wait() {
  std::unique_lock lock(mutex_);
  ended_.wait(lock, [this] { return end_.has_value(); });
  return *std::exchange(end_, std::nullopt);
}

OneWorker::OneWorker(size_t known_bytes_max) {
  DecoderPool::Options options;
  options.worker_path = SOUNDGATE_DECODER;
  options.worker_count = 1;
  options.producer_parts = {{256, size_t{256} << 20, true}};
  options.known_bytes_max = known_bytes_max;
  auto pool = DecoderPool::start(options, listener_);
  if (!pool) throw std::runtime_error(pool.error());
  pool_ = std::move(*pool);
  clock_getcpuclockid(pool_->status().workers[0].pid, &worker_clock_);
}

OneWorker::Cost OneWorker::decode(std::span<const std::byte> bytes,
                                  const CoverageSettings& coverage) {
  constexpr size_t kPieceBytes = size_t{16} << 10;
  pool_->set_coverage(coverage);
  const uint64_t ended = pool_->status().streams_ended;
  const double worker_before = cpu_seconds(worker_clock_);
  const double host_before = cpu_seconds(CLOCK_PROCESS_CPUTIME_ID);
  StreamProducer& producer = pool_->producer(0);
  const StreamHandle stream = producer.begin(1, std::ssize(bytes)).value();
  while (!bytes.empty()) {
    const auto piece = bytes.first(std::min(kPieceBytes, bytes.size()));
    if (producer.append(stream, piece) == StreamProducer::Append::kFull) {
      std::this_thread::sleep_for(1ms);
    } else {
      bytes = bytes.subspan(piece.size());
    }
  }
  producer.finish(stream);
  const DecodeEnd end = listener_.wait();
  while (pool_->status().streams_ended == ended) {  // the worker has dropped it, too
    std::this_thread::sleep_for(1ms);
  }
  if (end.outcome != DecodeOutcome::decoded) {
    throw std::runtime_error("not decoded: " + std::string(text(end.outcome)));
  }
  return {cpu_seconds(worker_clock_) - worker_before,
          cpu_seconds(CLOCK_PROCESS_CPUTIME_ID) - host_before, end};
}

}  // namespace soundgate
