// Which part of a stream a worker decodes, where several share it: a period of items each, in turn.
// In one word, which is written and read whole: first_period | count - 1 | index. 0: all of it.
#pragma once

#include <cstdint>

#include "fingerprint/decode/limits.h"

namespace soundgate::decode {

struct Division {
  uint8_t index = 0;          // of the part, below count
  uint8_t count = 1;          // of all parts
  uint16_t first_period = 0;  // what lies before is not this part's

  bool is_whole() const { return count == 1; }
  bool owns(uint32_t period) const {
    return is_whole() || (period >= first_period && period % count == index);
  }
  // The first period from this one on that is this part's.
  uint32_t next_owned(uint32_t period) const {
    while (!owns(period)) ++period;
    return period;
  }
};

inline constexpr double kDivisionSeconds = kDivisionItems * kItemSeconds;
static_assert(kAudioSecondsMax / kDivisionSeconds < 0xffff, "a period fits its field");

inline uint32_t pack_division(const Division& division) {
  return uint32_t{division.first_period} << 16 | static_cast<uint32_t>(division.count - 1) << 8 |
         division.index;
}

inline Division unpack_division(uint32_t word) {
  return {.index = static_cast<uint8_t>(word),
          .count = static_cast<uint8_t>((word >> 8 & 0xff) + 1),
          .first_period = static_cast<uint16_t>(word >> 16)};
}

}  // namespace soundgate::decode
