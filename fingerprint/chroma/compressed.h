// Chromaprint's compressed form of items, as `fpcalc` prints it and AcoustID takes it.
// Layout: URL-safe base64 without padding, of: algorithm (1 byte), number of items (3 bytes, big
//   endian), then for each item the gaps between the bits in which it differs from the item before
//   (the first one: from 0), lowest bit first, closed by a gap of 0. Gaps have 3 bits; one of 7 or
//   more is written as 7, and what it exceeds 7 by follows behind all others, in 5 bits. Both runs
//   are filled up to whole bytes with zeros.
// Input: hostile text, of any length; nothing larger than it is allocated before it is checked.
// Output: at most items_max items. What the compressor would not write is refused, so that each
//   list of items has one text, and decompress and compress undo each other.
// Thread: any.
// Source: Chromaprint 1.5.1, FingerprintCompressor. Its own decompressor overran its buffer on such
//   input until 1.6.1.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <tl/expected.hpp>
#include <vector>

#include "fingerprint/fingerprint.h"

namespace soundgate {

inline constexpr size_t kCompressedItemsMax = (1u << 24) - 1;  // what its header can say

enum class CompressedError : uint8_t {
  kNotBase64,
  kOtherAlgorithm,  // items of another kind than kAlgorithm
  kTooMany,         // more than items_max
  kCutShort,        // fewer bytes than its items take
  kTrailing,        // more
  kImpossible,      // an item of more than 32 bits
};
std::string_view text(CompressedError error);

[[nodiscard]] tl::expected<std::vector<Item>, CompressedError> decompress(std::string_view text,
                                                                          size_t items_max);

// items: at most kCompressedItemsMax.
std::string compress(std::span<const Item> items);

}  // namespace soundgate
