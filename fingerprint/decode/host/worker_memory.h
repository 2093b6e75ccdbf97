// What the host keeps for one worker place: the payload memory, which outlives worker processes,
// and beside it what the worker must not see. Producers and the collector meet here, without locks.
// Thread: each field says who writes it.
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <optional>
#include <vector>

#include "fingerprint/decode/decoder_pool.h"
#include "fingerprint/decode/host/doorbell.h"
#include "fingerprint/decode/host/shared_memory.h"
#include "fingerprint/decode/host/spsc_ring.h"
#include "fingerprint/decode/limits.h"
#include "fingerprint/decode/shared/cpu_budget.h"
#include "fingerprint/decode/shared/futex.h"
#include "fingerprint/decode/shared/payload.h"
#include "fingerprint/exact/body_digests.h"

namespace soundgate::decode {

struct SlotControl {
  std::atomic<uint64_t> tag;                   // producer
  std::atomic<uint32_t> cancelled_generation;  // producer
  std::atomic<uint64_t> consumed_bytes;        // collector: these may be evicted
  std::atomic<uint32_t> delivered_items;       // collector: plain ones
  std::atomic<uint32_t> held_generation;  // collector: its packets were known as far as they came
  // Producer. Of all streams that are parts of one upload the same number; 0: this one is all of
  // it.
  std::atomic<uint64_t> division;
  std::atomic<uint32_t> part;  // producer, before division: pack_division()
  exact::BodyDigests digests;  // producer, before it sets kFinished
};

// A stream whose bytes so far seem to be known.
struct Question {
  uint32_t slot;
  uint32_t generation;
  exact::Digest digest;
  std::optional<uint32_t> checkpoint;  // of a prefix; none: it is finished, and this is the whole
};

// What one producer has of the worker's slots and blocks.
struct Partition {
  uint32_t first_slot;
  uint32_t slot_count;
  uint32_t first_block;
  uint32_t block_count;
  bool can_wait;
};

class WorkerMemory {
 public:
  WorkerMemory(const Geometry& geometry, const std::vector<Partition>& partitions,
               uint64_t spool_bytes_max, double audio_seconds_max,
               CpuTime cpu_allowance = DecoderPool::Options().cpu_allowance)
      : memory_("soundgate-payload", PayloadLayout(geometry).total_bytes,
                SharedMemory::Others::kRead),
        payload_(memory_.data(), geometry),
        controls_(std::make_unique<SlotControl[]>(geometry.slot_count)),
        partitions_(partitions),
        ended_(std::make_unique<EndedRing[]>(partitions.size())),
        questions_(std::make_unique<QuestionRing[]>(partitions.size())) {
    payload_.header().geometry = geometry;
    payload_.header().spool_bytes_max = spool_bytes_max;
    payload_.header().audio_seconds_max = audio_seconds_max;
    payload_.header().cpu_allowance_nanoseconds = cpu_allowance.count();
    for (uint32_t producer = 0; producer < partitions.size(); ++producer) {
      owners_.insert(owners_.end(), partitions[producer].slot_count, producer);
    }
  }

  const SharedMemory& memory() const { return memory_; }
  const PayloadEditor& payload() const { return payload_; }
  SlotControl& control(uint32_t slot) const { return controls_[slot]; }

  void wake() const {
    payload_.header().wake_sequence.fetch_add(1);
    futex_wake(payload_.header().wake_sequence);
  }

  // Of all its streams, beside a block of each, what the worker has not said that it has consumed.
  uint64_t waiting_bytes() const {
    uint64_t bytes = 0;
    for (uint32_t slot = 0; slot < payload_.geometry().slot_count; ++slot) {
      const Slot& shared = payload_.slot(slot);
      if (shared.generation.load(std::memory_order_relaxed) ==
          shared.closed_generation.load(std::memory_order_relaxed)) {
        continue;
      }
      const uint64_t consumed = control(slot).consumed_bytes.load(std::memory_order_relaxed);
      const uint64_t appended = shared.appended_bytes.load(std::memory_order_relaxed);
      bytes += appended - std::min(appended, consumed + kBlockBytes);
    }
    return bytes;
  }

  // Whatever becomes of the stream meanwhile, at worst its successor is not looked at more closely.
  void look_closer(uint64_t tag) const {
    for (uint32_t slot = 0; slot < payload_.geometry().slot_count; ++slot) {
      Slot& shared = payload_.slot(slot);
      const uint32_t generation = shared.generation.load(std::memory_order_acquire);
      if (control(slot).tag.load(std::memory_order_relaxed) == tag) {
        shared.closer_generation.store(generation, std::memory_order_relaxed);
      }
    }
  }

  // Slots whose stream has ended, from the collector to the producer they belong to.
  using EndedRing = SpscRing<uint32_t, kSlotsPerWorker>;
  EndedRing& ended(uint32_t producer) const { return ended_[producer]; }
  EndedRing& ended_of_slot(uint32_t slot) const { return ended_[owners_[slot]]; }
  const Partition& partition(uint32_t producer) const { return partitions_[producer]; }
  const Partition& partition_of_slot(uint32_t slot) const { return partitions_[owners_[slot]]; }
  uint32_t producer_count() const { return static_cast<uint32_t>(partitions_.size()); }

  // From a producer to the collector. Where there is no room, nothing is known.
  using QuestionRing = SpscRing<Question, 4 * kSlotsPerWorker>;
  QuestionRing& questions(uint32_t producer) const { return questions_[producer]; }
  const Doorbell& doorbell() const { return doorbell_; }  // there are some

  std::atomic<int> streams{0};       // begun and not ended
  std::atomic<bool> at_work{false};  // collector: there is a process

 private:
  SharedMemory memory_;
  PayloadEditor payload_;
  std::unique_ptr<SlotControl[]> controls_;
  std::vector<Partition> partitions_;          // one per producer
  std::unique_ptr<EndedRing[]> ended_;         // likewise
  std::unique_ptr<QuestionRing[]> questions_;  // likewise
  Doorbell doorbell_;
  std::vector<uint32_t> owners_;  // producer of each slot
};

}  // namespace soundgate::decode
