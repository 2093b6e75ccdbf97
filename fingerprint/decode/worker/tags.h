// Tags that stand before or between the frames of audio: of MP3s that were put one behind the other
// each brings its own.
// Input: the first bytes of a tag, or of anything else.  Output: how long it says it is.
// Source: ID3v2.4.0 structure, section 3.1; APEv2 tag header.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

namespace soundgate::decode {

inline constexpr size_t kTagHeaderBytes = 32;  // so many are enough to know

// 0: none begins here.
uint64_t id3_bytes(std::span<const uint8_t> head);
uint64_t tag_bytes(std::span<const uint8_t> head);  // ID3v2, or APEv2 with a header

}  // namespace soundgate::decode
