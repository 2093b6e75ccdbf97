// The word in which the collector answers a worker that asks whether packets are known: of which
// stream, which checkpoint was asked for last, and whether it is known.
#pragma once

#include <cstdint>

namespace soundgate::decode {

inline constexpr uint64_t packets_answer(uint32_t generation, uint32_t checkpoint, bool known) {
  return uint64_t{generation} << 32 | (checkpoint + 1) << 1 | (known ? 1 : 0);
}

// Whether all up to this checkpoint was answered.
inline constexpr bool is_answered(uint64_t answer, uint32_t generation, uint32_t checkpoint) {
  return answer >> 32 == generation && (answer & 0xffffffff) >> 1 > checkpoint;
}

// Once something is not known, nothing that begins so is.
inline constexpr bool is_unknown(uint64_t answer, uint32_t generation) {
  return is_answered(answer, generation, 0) && (answer & 1) == 0;
}

}  // namespace soundgate::decode
