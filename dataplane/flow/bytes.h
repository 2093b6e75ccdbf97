// Big-endian integers at a place in a frame. The caller has checked the bounds.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

namespace soundgate {

using Bytes = std::span<const std::byte>;
using MutableBytes = std::span<std::byte>;

inline uint8_t load8(Bytes bytes, size_t at) { return std::to_integer<uint8_t>(bytes[at]); }

inline uint16_t load16(Bytes bytes, size_t at) {
  return static_cast<uint16_t>(load8(bytes, at) << 8 | load8(bytes, at + 1));
}

inline uint32_t load32(Bytes bytes, size_t at) {
  return static_cast<uint32_t>(load16(bytes, at)) << 16 | load16(bytes, at + 2);
}

inline void store8(MutableBytes bytes, size_t at, uint8_t value) { bytes[at] = std::byte{value}; }

inline void store16(MutableBytes bytes, size_t at, uint16_t value) {
  store8(bytes, at, static_cast<uint8_t>(value >> 8));
  store8(bytes, at + 1, static_cast<uint8_t>(value & 0xFF));
}

inline void store32(MutableBytes bytes, size_t at, uint32_t value) {
  store16(bytes, at, static_cast<uint16_t>(value >> 16));
  store16(bytes, at + 2, static_cast<uint16_t>(value & 0xFFFF));
}

}  // namespace soundgate
