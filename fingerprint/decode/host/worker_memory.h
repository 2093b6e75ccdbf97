// What the host keeps for one worker place: the payload memory, which outlives worker processes,
// and beside it what the worker must not see. Producers and the collector meet here, without locks.
// Thread: each field says who writes it.
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <vector>

#include "fingerprint/decode/host/shared_memory.h"
#include "fingerprint/decode/host/spsc_ring.h"
#include "fingerprint/decode/limits.h"
#include "fingerprint/decode/shared/futex.h"
#include "fingerprint/decode/shared/payload.h"

namespace soundgate::decode {

struct SlotControl {
  std::atomic<uint64_t> tag;                   // producer
  std::atomic<uint32_t> cancelled_generation;  // producer
  std::atomic<uint64_t> consumed_bytes;        // collector: these may be evicted
};

class WorkerMemory {
 public:
  WorkerMemory(const Geometry& geometry, uint64_t spool_bytes_max, double audio_seconds_max,
               int producer_count)
      : memory_("soundgate-payload", PayloadLayout(geometry).total_bytes),
        payload_(memory_.data(), geometry),
        controls_(std::make_unique<SlotControl[]>(geometry.slot_count)),
        slots_per_producer_(geometry.slot_count / static_cast<uint32_t>(producer_count)) {
    payload_.header().geometry = geometry;
    payload_.header().spool_bytes_max = spool_bytes_max;
    payload_.header().audio_seconds_max = audio_seconds_max;
    for (int i = 0; i < producer_count; ++i) ended_.push_back(std::make_unique<EndedRing>());
  }

  const SharedMemory& memory() const { return memory_; }
  const PayloadEditor& payload() const { return payload_; }
  SlotControl& control(uint32_t slot) const { return controls_[slot]; }

  void wake() const {
    payload_.header().wake_sequence.fetch_add(1);
    futex_wake(payload_.header().wake_sequence);
  }

  // Slots whose stream has ended, from the collector to the producer they belong to.
  using EndedRing = SpscRing<uint32_t, kSlotsPerWorker>;
  EndedRing& ended(uint32_t producer) const { return *ended_[producer]; }
  EndedRing& ended_of_slot(uint32_t slot) const { return *ended_[slot / slots_per_producer_]; }
  uint32_t slots_per_producer() const { return slots_per_producer_; }

  std::atomic<int> streams{0};  // begun and not ended

 private:
  SharedMemory memory_;
  PayloadEditor payload_;
  std::unique_ptr<SlotControl[]> controls_;
  std::vector<std::unique_ptr<EndedRing>> ended_;
  uint32_t slots_per_producer_;
};

}  // namespace soundgate::decode
