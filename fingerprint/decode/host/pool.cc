// Wires the pool: memories, producers, collector.

#include <algorithm>
#include <filesystem>
#include <system_error>

#include "fingerprint/decode/decoder_pool.h"
#include "fingerprint/decode/host/collector.h"
#include "fingerprint/decode/host/producer.h"
#include "fingerprint/decode/shared/probe_word.h"

namespace soundgate {
namespace decode {
namespace {

static_assert(DecoderPool::Options::kStallMin > kIdleWait,
              "idle workers give a sign each kIdleWait");

std::string default_worker_path() {
  return (std::filesystem::read_symlink("/proc/self/exe").parent_path() / "soundgate-decoder")
      .string();
}

std::vector<DecoderPool::Options::Part> parts(const DecoderPool::Options& options) {
  if (!options.producer_parts.empty()) return options.producer_parts;
  const auto count = static_cast<size_t>(options.producer_count);
  return {count,
          {static_cast<int>(kSlotsPerWorker / count), options.payload_bytes_per_worker / count}};
}

std::vector<Partition> make_partitions(const DecoderPool::Options& options) {
  std::vector<Partition> partitions;
  uint32_t slot = 0;
  uint32_t block = 0;
  for (const auto& part : parts(options)) {
    const auto slots = static_cast<uint32_t>(part.streams);
    const auto blocks = static_cast<uint32_t>(part.payload_bytes / kBlockBytes);
    partitions.push_back({slot, slots, block, blocks, part.can_wait});
    slot += slots;
    block += blocks;
  }
  return partitions;
}

Geometry make_geometry(const DecoderPool::Options& options,
                       const std::vector<Partition>& partitions) {
  const auto spool_blocks = static_cast<uint64_t>(options.spool_bytes_max) / kBlockBytes;
  uint32_t blocks_max = 0;
  for (const Partition& partition : partitions) {
    blocks_max = std::max(blocks_max, partition.block_count);
  }
  const Partition& last = partitions.back();
  // One stream needs no more entries than there are blocks for it; for one that is spooled, and for
  // the backlog of any other, so many as may be spooled.
  const uint64_t entries = std::max<uint64_t>(spool_blocks, kPayloadBytesMin / kBlockBytes);
  return {.slot_count = last.first_slot + last.slot_count,
          .block_count = last.first_block + last.block_count,
          .circular_entries = static_cast<uint32_t>(std::min<uint64_t>(entries, blocks_max))};
}

std::string check(const DecoderPool::Options& options) {
  if (options.worker_count < 1 || options.worker_count > kWorkersMax) return "1 to 256 workers";
  const bool count_is_good =
      options.producer_count >= 1 && options.producer_count <= static_cast<int>(kSlotsPerWorker);
  if (options.producer_parts.empty() && !count_is_good) return "1 to 256 producers";
  int64_t streams = 0;
  uint64_t bytes = 0;
  for (const auto& part : parts(options)) {
    if (part.streams < 1) return "at least one stream for each producer";
    if (part.payload_bytes < kPayloadBytesMin) {
      return "at least 1 MiB of payload memory for each worker and producer";
    }
    streams += part.streams;
    bytes += part.payload_bytes;
  }
  if (streams > kSlotsPerWorker) return "256 streams at most on each worker";
  if (bytes > kPayloadBytesMax) return "64 GiB of payload at most on each worker";
  if (options.spool_bytes_max < 0 || options.spool_bytes_max > kSpoolBytesMax) {
    return "a spool of 0 bytes to 64 GiB";
  }
  const bool seconds_are_good =
      options.audio_seconds_max >= 0 && options.audio_seconds_max <= kAudioSecondsMax;
  if (!seconds_are_good) return "audio of 0 to 1,000,000 seconds";
  if (options.cpu_allowance.count() < 1) return "1 ms at least of CPU for each stream";
  if (options.stall_max < DecoderPool::Options::kStallMin)
    return "to wait 0.6 s at least for a sign of life";
  return {};
}

class Pool : public DecoderPool {
 public:
  Pool(const Options& options, DecodeListener& listener) : merger_(listener) {
    const std::vector<Partition> partitions = make_partitions(options);
    const Geometry geometry = make_geometry(options, partitions);
    const auto items_max = static_cast<uint32_t>(options.audio_seconds_max / kItemSeconds) + 64;
    if (options.known_bytes_max > 0) known_.emplace(options.known_bytes_max);
    exact::KnownUploads* known = known_ ? &*known_ : nullptr;
    settings_.burst_bytes = options.burst_bytes;
    std::vector<std::unique_ptr<WorkerHost>> hosts;
    for (int i = 0; i < options.worker_count; ++i) {
      memories_.push_back(std::make_unique<WorkerMemory>(
          geometry, partitions, static_cast<uint64_t>(options.spool_bytes_max),
          options.audio_seconds_max, options.cpu_allowance));
      hosts.push_back(std::make_unique<WorkerHost>(*memories_.back(), listener, merger_, counters_,
                                                   items_max, known));
    }
    for (uint32_t i = 0; i < partitions.size(); ++i) {
      producers_.push_back(std::make_unique<Producer>(memories_, i, counters_, settings_, known));
    }
    const std::string path =
        options.worker_path.empty() ? default_worker_path() : options.worker_path;
    collector_ = std::make_unique<Collector>(path, options.stall_max, std::move(hosts), listener);
  }

  tl::expected<void, std::string> start() { return collector_->start(); }

  StreamProducer& producer(int index) override {
    return *producers_.at(static_cast<size_t>(index));
  }

  void set_probes(const ProbeSettings& settings) override {
    settings_.probes = pack_probes(settings);
  }
  void set_coverage(const CoverageSettings& settings) override {
    settings_.coverage = pack_coverage(settings);
  }
  void look_closer(uint64_t tag) override {
    for (const auto& memory : memories_) memory->look_closer(tag);
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
    status.probe_items = counters_.probe_items;
    status.recognised = counters_.recognised;
    status.put_off = counters_.put_off;
    status.caught_up = counters_.caught_up;
    status.recognised_by_packets = counters_.recognised_by_packets;
    status.packets_put_off = counters_.packets_put_off;
    status.packets_caught_up = counters_.packets_caught_up;
    status.confirmed = counters_.confirmed;
    status.contradicted = counters_.contradicted;
    status.divided = counters_.divided;
    status.known = known_ ? known_->count() : 0;
    status.known_bytes = known_ ? known_->bytes() : 0;
    return status;
  }

 private:
  PoolCounters counters_;
  PoolSettings settings_;
  Merger merger_;
  std::optional<exact::KnownUploads> known_;
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
