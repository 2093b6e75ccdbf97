// The tag that a stream carries through the decoders: which upload its items belong to.
// Bit 63: an upload over the control socket, the rest counts them. Otherwise: the lcore (8 bits
// from 48), the use of the slot (32 bits from 16), the slot (16 bits). The use tells a late item of
// an upload that is over from one of the upload that has its slot now.
#pragma once

#include <cstdint>

#include "control/limits.h"

namespace soundgate {

inline constexpr uint64_t kControlStreamBit = uint64_t{1} << 63;
static_assert(kUploadSlotsPerLcore <= 1 << 16);

constexpr uint64_t upload_tag(size_t lcore_index, uint32_t use, uint16_t slot_index) {
  return static_cast<uint64_t>(lcore_index) << 48 | static_cast<uint64_t>(use) << 16 | slot_index;
}
constexpr bool is_control_stream(uint64_t tag) { return (tag & kControlStreamBit) != 0; }
constexpr size_t lcore_of(uint64_t tag) { return static_cast<size_t>(tag >> 48 & 0xff); }
constexpr uint16_t slot_of(uint64_t tag) { return static_cast<uint16_t>(tag & 0xffff); }

}  // namespace soundgate
