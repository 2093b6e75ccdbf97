// 64-bit stream offsets from 32-bit sequence numbers. Offset 0 is the first payload byte.
// Source: RFC 9293 section 3.4.
#pragma once

#include <cstdint>

namespace soundgate {

inline constexpr uint64_t kNoOffset = UINT64_MAX;

// The offset nearest to `near` that has this sequence number; `origin` is the number of offset 0.
// What would lie before offset 0 comes back as a huge offset (it wraps): callers see it as
// "behind" by the signed difference.
constexpr uint64_t offset_of(uint32_t sequence, uint32_t origin, uint64_t near) {
  const uint32_t distance = sequence - (origin + static_cast<uint32_t>(near));
  return near + static_cast<uint64_t>(static_cast<int64_t>(static_cast<int32_t>(distance)));
}

constexpr uint32_t sequence_of(uint64_t offset, uint32_t origin) {
  return origin + static_cast<uint32_t>(offset);
}

// a < b for offsets that may have wrapped below 0.
constexpr bool before(uint64_t a, uint64_t b) { return static_cast<int64_t>(a - b) < 0; }

}  // namespace soundgate
