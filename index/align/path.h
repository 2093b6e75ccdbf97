// Follows an alignment item by item from a place inside it, both ways, across slow drift.
// The cost of an item is its distance in bits (0..32); what is missing in the upload costs nothing
// and proves nothing.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "fingerprint/fingerprint.h"
#include "index/align/query.h"

namespace soundgate {

// One way from the anchor: step i is query item anchor + i (forward) or anchor - 1 - i (backward).
struct Walk {
  std::vector<int32_t> offsets;    // reference item - query item, of each step
  std::vector<uint8_t> distances;  // in bits, of each step; kUnknown where the upload has a gap

  static constexpr uint8_t kUnknown = 255;

  size_t size() const { return offsets.size(); }
  // How many steps to take for the most gain, where a step gains `bits` - its distance.
  size_t best_length(double bits) const;
};

enum class Direction : int { kForward = 1, kBackward = -1 };

// The offset near `offset` at which the items around `query_item` agree best.
int32_t refine_offset(const Query& query, std::span<const Item> reference, uint32_t query_item,
                      int32_t offset);

// Goes until either side ends, or until it has long been like unrelated audio.
Walk walk(const Query& query, std::span<const Item> reference, uint32_t anchor, int32_t offset,
          Direction direction);

}  // namespace soundgate
