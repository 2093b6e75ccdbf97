// One producer's part of one worker: its slots, its blocks, and the bytes it puts there.
// Blocks stay where they are after the worker has consumed them, for a format that wants to go back
// and for a worker that starts afresh; they are taken away from a stream only when no other is
// free. While the bytes of a stream are those of a known upload, its decoding is put off.
// Thread: the producer's. Nothing blocks, locks or allocates after construction.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <utility>
#include <vector>

#include "fingerprint/decode/decoder_pool.h"
#include "fingerprint/decode/host/pool_counters.h"
#include "fingerprint/decode/host/worker_memory.h"
#include "fingerprint/decode/shared/coverage_word.h"
#include "fingerprint/decode/shared/division.h"
#include "fingerprint/decode/shared/probe_word.h"
#include "fingerprint/decode/shared/size_word.h"
#include "fingerprint/exact/body_digests.h"
#include "fingerprint/exact/known_uploads.h"

namespace soundgate::decode {

// What of a stream is decoded, and how.
struct StreamSettings {
  uint64_t probes = pack_probes({});
  uint64_t coverage = pack_coverage({});
  uint64_t division_id = 0;  // SlotControl::division
  Division part{};
  StreamCoding coding = StreamCoding::kNone;

  bool are_plain() const {
    return coding == StreamCoding::kNone && probes == pack_probes({}) &&
           coverage == pack_coverage({}) && division_id == 0;
  }
};

class Share {
 public:
  // What is known already, and who counts what comes of it.
  struct Known {
    const exact::KnownUploads& uploads;
    PoolCounters& counters;
  };
  // known: nothing where nothing is remembered.
  Share(WorkerMemory& worker, uint32_t producer, std::optional<Known> known = {});

  struct Stream {
    uint32_t slot;
    uint32_t generation;

    bool operator==(const Stream&) const = default;
  };
  // Nothing: no slot is free.
  std::optional<Stream> begin(uint64_t tag, int64_t size_bytes,
                              const StreamSettings& settings = {});
  StreamProducer::Append append(Stream stream, std::span<const std::byte> bytes);
  void finish(Stream stream);
  void cancel(Stream stream);

  bool is_live(Stream stream) { return find(stream) != nullptr; }
  size_t free_stream_count();
  size_t stream_count() const { return slots_.size(); }

  // For Divisions. Whether bytes of this stream wait that others could decode, burst_bytes at
  // least: none of them may be gone, and nothing may have been told of it from memory. Asked anew,
  // it says no until more have come.
  bool may_be_divided(Stream stream, uint64_t burst_bytes);
  // Whether its worker has time and room for a part of another's stream.
  bool can_help();
  Stream begin_part(const Share& other, Stream whole, uint64_t division_id, const Division& part);
  void become_part(Stream stream, uint64_t division_id, const Division& part);
  uint16_t period_at_work(Stream stream) const;
  uint64_t appended_bytes(Stream stream) const { return local(stream.slot).appended_bytes; }
  // Those in one block, from there on; they stay until keep_from() has let go of them.
  std::span<const std::byte> bytes_at(Stream stream, uint64_t position) const;
  void keep_from(Stream stream, uint64_t position);

  // Of the worker, with all its producers' streams. One that is not at work now is the last choice.
  std::pair<bool, int> load() const {
    return {!worker_.at_work.load(std::memory_order_relaxed),
            worker_.streams.load(std::memory_order_relaxed)};
  }

 private:
  struct LocalSlot {
    uint32_t generation = 0;
    bool live = false;            // its end has not been seen yet
    int64_t size_bytes = -1;      // as announced; -1: unknown
    uint64_t appended_bytes = 0;  // as in the shared slot
    uint64_t woken_bytes = 0;     // appended when the worker was last woken for it
    uint64_t evicted_end = kHeaderBlocks;
    uint32_t flags = 0;
    bool plain = false;    // no probes, all of it
    bool is_part = false;  // of a stream that several workers decode
    bool is_hashed = false;
    bool was_put_off = false;
    uint64_t divisible_from = 0;        // bytes: before, it need not be looked at
    uint64_t kept_from = ~uint64_t{0};  // bytes: others want to copy what follows

    uint64_t block_count() const { return (appended_bytes + kBlockBytes - 1) / kBlockBytes; }
  };

  LocalSlot* find(Stream stream);               // nullptr: it has ended, or never was
  bool is_closed(const LocalSlot& ours) const;  // to more bytes
  void collect_ended();
  void release_blocks(uint32_t slot);
  static uint64_t wake_bytes(const LocalSlot& ours);
  void copy(uint32_t slot, std::span<const std::byte> bytes);
  void digest(uint32_t slot, std::span<const std::byte> bytes);
  bool may_put_off(uint32_t slot, exact::PrefixTable::Known prefix) const;
  bool is_roomy() const;
  void make_others_let_go(uint32_t slot);
  void let_go(uint32_t slot);
  bool backlog_is_full(uint32_t slot) const;
  bool ask_whether_known(uint32_t slot);
  bool ask(uint32_t slot, const exact::Digest& digest, std::optional<uint32_t> checkpoint);
  void put_off(uint32_t slot);
  void catch_up(uint32_t slot);
  void catch_up_all();
  static bool may_begin_anew(std::span<const std::byte> bytes);
  enum class Room : uint8_t { kThere, kLater, kNone };
  Room make_room(uint32_t slot, uint64_t blocks);
  Room find_free_blocks(uint32_t slot);
  bool touch_fresh_block();
  bool must_wait(uint32_t slot) const;
  bool evict_from_any();
  uint64_t available_blocks() const;
  uint64_t evictable_blocks(uint32_t slot) const;
  void evict(uint32_t slot, uint64_t blocks);
  void refuse(uint32_t slot);
  void set_flags(uint32_t slot, uint32_t flags);
  uint64_t kept_blocks(uint32_t slot) const;

  LocalSlot& local(uint32_t slot) { return slots_[slot - first_slot_]; }
  const LocalSlot& local(uint32_t slot) const { return slots_[slot - first_slot_]; }
  uint32_t slots_end() const { return first_slot_ + static_cast<uint32_t>(slots_.size()); }

  WorkerMemory& worker_;
  const PayloadEditor& payload_;
  WorkerMemory::EndedRing& ended_;
  WorkerMemory::QuestionRing& questions_;
  uint32_t first_slot_;
  std::vector<LocalSlot> slots_;
  std::vector<uint32_t> free_slots_;   // last in, first out: few are touched
  std::vector<uint32_t> free_blocks_;  // that have been used before
  uint32_t block_count_;
  uint32_t fresh_block_;  // and up to fresh_end_: never used yet
  uint32_t fresh_end_;
  bool can_wait_;
  std::optional<Known> known_;
  std::vector<exact::BodyDigester> digesters_;  // one per slot, where something is known
};

}  // namespace soundgate::decode
