// Wires the pool: memories, producers, collector.

#include <algorithm>
#include <filesystem>
#include <system_error>

#include "fingerprint/decode/decoder_pool.h"
#include "fingerprint/decode/host/collector.h"
#include "fingerprint/decode/host/producer.h"

namespace soundgate {
namespace decode {
namespace {

std::string default_worker_path() {
  return (std::filesystem::read_symlink("/proc/self/exe").parent_path() / "soundgate-decoder")
      .string();
}

Geometry make_geometry(const DecoderPool::Options& options, uint64_t spool_bytes_max) {
  const auto blocks = static_cast<uint32_t>(options.payload_bytes_per_worker / kBlockBytes);
  return {.slot_count = kSlotsPerWorker,
          .block_count = blocks,
          .circular_entries = static_cast<uint32_t>(spool_bytes_max / kBlockBytes) + kHeaderBlocks};
}

// What one producer may have on one worker bounds what one stream may keep there.
uint64_t spool_bytes_max(const DecoderPool::Options& options) {
  const size_t share =
      options.payload_bytes_per_worker / static_cast<size_t>(options.producer_count);
  return std::min<uint64_t>(static_cast<uint64_t>(options.spool_bytes_max),
                            share - kHeaderBlocks * kBlockBytes);
}

std::string check(const DecoderPool::Options& options) {
  if (options.worker_count < 1 || options.worker_count > 256) return "1 to 256 decoder workers";
  if (options.producer_count < 1 || options.producer_count > static_cast<int>(kSlotsPerWorker)) {
    return "1 to 256 producers";
  }
  if (options.payload_bytes_per_worker <
      kPayloadBytesMin * static_cast<size_t>(options.producer_count)) {
    return "at least 1 MiB of payload memory for each worker and producer";
  }
  if (options.spool_bytes_max < 0) return "a spool of 0 bytes or more";
  return {};
}

class Pool : public DecoderPool {
 public:
  Pool(const Options& options, DecodeListener& listener) {
    const uint64_t spool = spool_bytes_max(options);
    const Geometry geometry = make_geometry(options, spool);
    const auto items_max = static_cast<uint32_t>(options.audio_seconds_max / kItemSeconds) + 64;
    std::vector<std::unique_ptr<WorkerHost>> hosts;
    for (int i = 0; i < options.worker_count; ++i) {
      memories_.push_back(std::make_unique<WorkerMemory>(geometry, spool, options.audio_seconds_max,
                                                         options.producer_count));
      hosts.push_back(
          std::make_unique<WorkerHost>(*memories_.back(), listener, counters_, items_max));
    }
    for (int i = 0; i < options.producer_count; ++i) {
      producers_.push_back(std::make_unique<Producer>(memories_, static_cast<uint32_t>(i),
                                                      static_cast<uint32_t>(options.producer_count),
                                                      counters_));
    }
    const std::string path =
        options.worker_path.empty() ? default_worker_path() : options.worker_path;
    collector_ = std::make_unique<Collector>(path, options.stall_max, std::move(hosts));
  }

  tl::expected<void, std::string> start() { return collector_->start(); }

  StreamProducer& producer(int index) override {
    return *producers_.at(static_cast<size_t>(index));
  }

  Status status() const override {
    Status status{};
    for (const auto& worker : collector_->workers()) {
      status.workers.push_back({worker->pid(), worker->streams(), worker->restarts()});
    }
    status.streams_begun = counters_.begun;
    status.streams_ended = counters_.ended;
    status.crashes = counters_.crashes;
    status.timeouts = counters_.timeouts;
    status.resumed = counters_.resumed;
    status.decoded_seconds = static_cast<double>(counters_.decoded_milliseconds) / 1000;
    return status;
  }

 private:
  PoolCounters counters_;
  std::vector<std::unique_ptr<WorkerMemory>> memories_;
  std::vector<std::unique_ptr<Producer>> producers_;
  std::unique_ptr<Collector> collector_;
};

}  // namespace
}  // namespace decode

tl::expected<std::unique_ptr<DecoderPool>, std::string> DecoderPool::start(
    const Options& options, DecodeListener& listener) {
  if (const std::string wanted = decode::check(options); !wanted.empty()) {
    return tl::unexpected("the decoder pool needs " + wanted);
  }
  try {
    auto pool = std::make_unique<decode::Pool>(options, listener);
    if (auto started = pool->start(); !started) return tl::unexpected(started.error());
    return pool;
  } catch (const std::system_error& error) {
    return tl::unexpected(std::string("the decoder pool: ") + error.what());
  }
}

}  // namespace soundgate
