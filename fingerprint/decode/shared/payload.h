// The payload memory of one worker: streams of bytes, written by the host and only read by the
// worker, which maps it without the right to write.
//
//   PayloadHeader | Slot[slot_count] | uint32 table[slot_count][table_entries()] | blocks
//
// Block b of a stream (kBlockBytes each, from 0) lies in the pool block that its slot's table
// names: entry b for the kHeaderBlocks first ones, which are never evicted, and a circular part for
// the rest, of which the blocks before evicted_end are gone.
//
// Thread: each slot is written by the producer that owns it (closed_, catch_up_ and
//   settled_generation and packets_answer: by the collector, closer_generation: by the pool); the
//   worker reads.
//   appended_bytes and generation are stored with release, last.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <span>

#include "fingerprint/decode/limits.h"
#include "fingerprint/exact/digest.h"

namespace soundgate::decode {

struct Geometry {
  uint32_t slot_count;
  uint32_t block_count;
  uint32_t circular_entries;  // of each slot's table, after its header entries

  uint32_t table_entries() const { return kHeaderBlocks + circular_entries; }
  uint32_t table_index(uint64_t stream_block) const {
    return stream_block < kHeaderBlocks
               ? static_cast<uint32_t>(stream_block)
               : kHeaderBlocks +
                     static_cast<uint32_t>((stream_block - kHeaderBlocks) % circular_entries);
  }
};

struct PayloadHeader {
  Geometry geometry;
  uint64_t spool_bytes_max;
  double audio_seconds_max;
  int64_t cpu_allowance_nanoseconds;
  bool remembers_packets;                           // or else nobody wants to hear their digests
  exact::DigestKey packets_key;                     // for them
  alignas(64) std::atomic<uint32_t> wake_sequence;  // futex: changes when there is something new
  std::atomic<uint32_t> finish_sequence;            // changes when there is one more to end
  alignas(
      64) std::atomic<uint64_t> results_read;  // entries of the results ring that are free again
};

struct alignas(64) Slot {
  enum Flag : uint32_t {
    kFinished = 1,   // appended_bytes is final
    kCancelled = 2,  // nobody wants the result
    kNoRoom = 4,     // the producer has no block for the next byte
    kPutOff = 8,     // the bytes so far are those of a known upload: not to be decoded yet
    kLetGo = 16,     // others need room: what is held back (StreamContext) must be decoded now
  };
  std::atomic<uint32_t> generation;         // one more for each stream; 0: none yet
  std::atomic<uint32_t> closed_generation;  // the last stream of this slot that has ended
  std::atomic<uint32_t> flags;
  std::atomic<uint32_t> closer_generation;  // of the stream that all that follows is wanted of
  std::atomic<uint64_t> appended_bytes;
  std::atomic<uint64_t> evicted_end;          // stream blocks kHeaderBlocks..evicted_end are gone
  std::atomic<int64_t> size_bytes;            // pack_size()
  std::atomic<uint64_t> probes;               // pack_probes()
  std::atomic<uint64_t> coverage;             // pack_coverage()
  std::atomic<uint32_t> catch_up_generation;  // this stream is not put off any more
  std::atomic<uint32_t> settled_generation;  // its end is known without decoding: it may be dropped
  std::atomic<uint32_t> division;            // pack_division(); what is divided stays so
  std::atomic<uint64_t> packets_answer;      // to what was asked last (packets_answer.h)
};
static_assert(sizeof(Slot) == 128);
static_assert(std::atomic<uint64_t>::is_always_lock_free);

// Whether anybody still wants to know what is in this stream.
inline bool is_dropped(const Slot& slot, uint32_t generation) {
  return (slot.flags.load(std::memory_order_acquire) & Slot::kCancelled) ||
         slot.settled_generation.load(std::memory_order_acquire) == generation ||
         slot.generation.load(std::memory_order_acquire) != generation;
}

// Whether a worker is to leave this stream alone for now.
inline bool is_put_off(const Slot& slot, uint32_t generation) {
  return (slot.flags.load(std::memory_order_acquire) & Slot::kPutOff) &&
         slot.catch_up_generation.load(std::memory_order_acquire) != generation &&
         !is_dropped(slot, generation);
}

// Where the parts of a payload memory lie. The offsets follow from the geometry alone.
struct PayloadLayout {
  explicit PayloadLayout(const Geometry& geometry);
  size_t slots_offset, tables_offset, blocks_offset, total_bytes;
};

// Read access to a mapped payload; the worker's side.
class PayloadView {
 public:
  explicit PayloadView(const std::byte* memory);

  const PayloadHeader& header() const { return *reinterpret_cast<const PayloadHeader*>(memory_); }
  const Geometry& geometry() const { return header().geometry; }
  const Slot& slot(uint32_t index) const;
  const std::byte* block(uint32_t slot_index, uint64_t stream_block) const;

 private:
  const std::byte* memory_;
  PayloadLayout layout_;
};

// Write access; the host's side.
class PayloadEditor {
 public:
  PayloadEditor(std::byte* memory, const Geometry& geometry);

  PayloadHeader& header() const { return *reinterpret_cast<PayloadHeader*>(memory_); }
  const Geometry& geometry() const { return geometry_; }
  Slot& slot(uint32_t index) const;
  std::span<uint32_t> table(uint32_t slot_index) const;
  std::byte* pool_block(uint32_t pool_block) const;

 private:
  std::byte* memory_;
  Geometry geometry_;  // a copy: cheaper to reach, and the worker could not change it anyway
  PayloadLayout layout_;
};

}  // namespace soundgate::decode
