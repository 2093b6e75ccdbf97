// A producer of the pool: finds each stream a worker, and puts its bytes there.
// Thread: the producer's own.
#pragma once

#include <atomic>
#include <deque>
#include <memory>
#include <vector>

#include "fingerprint/decode/host/divisions.h"
#include "fingerprint/decode/host/pool_counters.h"
#include "fingerprint/decode/host/share.h"

namespace soundgate::decode {

// What streams that begin are to have: any thread may change it, a word at a time.
struct PoolSettings {
  std::atomic<uint64_t> probes{StreamSettings().probes};
  std::atomic<uint64_t> coverage{StreamSettings().coverage};
  uint64_t burst_bytes = 0;  // DecoderPool::Options; before any begins

  StreamSettings current() const {
    return {probes.load(std::memory_order_relaxed), coverage.load(std::memory_order_relaxed)};
  }
};

class Producer : public StreamProducer {
 public:
  // known: null where nothing is remembered.
  Producer(const std::vector<std::unique_ptr<WorkerMemory>>& workers, uint32_t index,
           PoolCounters& counters, const PoolSettings& settings,
           const exact::KnownUploads* known = nullptr);

  tl::expected<StreamHandle, DecodeOutcome> begin(uint64_t tag, int64_t size_bytes) override;
  tl::expected<StreamHandle, DecodeOutcome> begin_unprobed(uint64_t tag,
                                                           int64_t size_bytes) override;
  tl::expected<StreamHandle, DecodeOutcome> begin_coded(uint64_t tag, int64_t size_bytes,
                                                        StreamCoding coding) override;
  Append append(StreamHandle stream, std::span<const std::byte> bytes) override;
  void finish(StreamHandle stream) override;
  void cancel(StreamHandle stream) override;
  Room room() override;

 private:
  tl::expected<StreamHandle, DecodeOutcome> begin_stream(uint64_t tag, int64_t size_bytes,
                                                         const StreamSettings& settings);
  size_t least_loaded() const;
  Share& share_of(const Placed& stream) { return shares_.at(stream.worker); }

  std::deque<Share> shares_;  // one per worker
  size_t next_worker_ = 0;    // where to look first: equals take turns
  PoolCounters& counters_;
  const PoolSettings& settings_;
  Divisions divisions_;
};

}  // namespace soundgate::decode
