// The bytes of one stream, as a worker finds them in its payload memory.
// Thread: the worker's only one.  Errors: in the result; nothing throws.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

#include "fingerprint/decode/shared/coverage_word.h"
#include "fingerprint/decode/shared/division.h"
#include "fingerprint/decode/shared/payload.h"
#include "fingerprint/decode/shared/probe_word.h"
#include "fingerprint/decode/shared/size_word.h"

namespace soundgate::decode {

class ByteSource {
 public:
  ByteSource(const PayloadView& payload, uint32_t slot, uint32_t generation)
      : payload_(payload), slot_(payload.slot(slot)), slot_index_(slot), generation_(generation) {}

  enum class State : uint8_t {
    kBytes,    // some were copied
    kNotYet,   // the producer has not appended them yet
    kEnd,      // the stream ends here, or before
    kEvicted,  // they are gone; see next_kept()
    kStopped,  // nobody wants the result any more
    kNoRoom,   // not there yet, and the producer has no room for them
    kBroken,   // what they are coded in cannot be decoded (InflatedStream)
  };
  struct Result {
    State state;
    size_t bytes;
  };

  State state_at(uint64_t position) const;
  // Copies up to to.size() bytes from `position` on.
  Result read(uint64_t position, std::span<uint8_t> to) const;

  // The first byte after the evicted ones.
  uint64_t next_kept() const;
  uint64_t appended_bytes() const { return slot_.appended_bytes.load(std::memory_order_acquire); }
  bool is_finished() const {  // appended_bytes() is final
    return slot_.flags.load(std::memory_order_acquire) & Slot::kFinished;
  }
  bool is_put_off() const { return decode::is_put_off(slot_, generation_); }
  bool is_dropped() const { return decode::is_dropped(slot_, generation_); }
  // What is all there needs no more room, and will soon give back what it has.
  bool must_let_go() const {
    const uint32_t flags = slot_.flags.load(std::memory_order_acquire);
    return (flags & Slot::kLetGo) && !(flags & Slot::kFinished);
  }
  uint64_t packets_answer() const { return slot_.packets_answer.load(std::memory_order_acquire); }
  int64_t size_bytes() const {
    return unpack_size(slot_.size_bytes.load(std::memory_order_relaxed));
  }
  StreamCoding coding() const {
    return unpack_coding(slot_.size_bytes.load(std::memory_order_relaxed));
  }
  CoverageSettings coverage() const {
    if (slot_.closer_generation.load(std::memory_order_relaxed) == generation_) return {};
    return unpack_coverage(slot_.coverage.load(std::memory_order_relaxed));
  }
  Division division() const {
    return unpack_division(slot_.division.load(std::memory_order_acquire));
  }
  ProbeSettings probes() const {
    return unpack_probes(slot_.probes.load(std::memory_order_relaxed));
  }

 private:
  bool evicted(uint64_t stream_block) const;

  const PayloadView& payload_;
  const Slot& slot_;
  uint32_t slot_index_;
  uint32_t generation_;
};

}  // namespace soundgate::decode
