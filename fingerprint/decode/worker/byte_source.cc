#include "fingerprint/decode/worker/byte_source.h"

#include <algorithm>
#include <cstring>

// ThreadSanitizer does not know fences; nor does it see the other process, for which this one is.
#pragma GCC diagnostic ignored "-Wpragmas"
#pragma GCC diagnostic ignored "-Wunknown-warning-option"
#pragma GCC diagnostic ignored "-Wtsan"

namespace soundgate::decode {

bool ByteSource::evicted(uint64_t stream_block) const {
  return stream_block >= kHeaderBlocks &&
         stream_block < slot_.evicted_end.load(std::memory_order_acquire);
}

uint64_t ByteSource::next_kept() const {
  return slot_.evicted_end.load(std::memory_order_acquire) * kBlockBytes;
}

ByteSource::State ByteSource::state_at(uint64_t position) const {
  const uint32_t flags = slot_.flags.load(std::memory_order_acquire);
  if (is_dropped()) return State::kStopped;
  // The flags came first: a finished stream's appended_bytes is the final one.
  if (position < appended_bytes()) {
    return evicted(position / kBlockBytes) ? State::kEvicted : State::kBytes;
  }
  if (flags & Slot::kFinished) return State::kEnd;
  return flags & Slot::kNoRoom ? State::kNoRoom : State::kNotYet;
}

ByteSource::Result ByteSource::read(uint64_t position, std::span<uint8_t> to) const {
  const State state = state_at(position);
  if (state != State::kBytes) return {state, 0};
  const uint64_t block = position / kBlockBytes;
  const size_t offset = position % kBlockBytes;
  const size_t count = static_cast<size_t>(
      std::min<uint64_t>({to.size(), kBlockBytes - offset, appended_bytes() - position}));
  std::memcpy(to.data(), payload_.block(slot_index_, block) + offset, count);
  // The producer may have taken the block for other bytes while we copied.
  std::atomic_thread_fence(std::memory_order_acquire);
  if (evicted(block)) return {State::kEvicted, 0};
  return {State::kBytes, count};
}

}  // namespace soundgate::decode
