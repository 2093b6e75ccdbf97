// Follows an alignment item by item from a place inside it, both ways, along a line whose slope is
// the speed of the upload, across slow drift from that line.
// The cost of a step is its distance in bits (0..32). A step that proves nothing costs nothing:
// where audio is missing in the upload, and where neither side has changed since the item before
// (silence agrees with silence, and a held note with itself, for as long as you like).
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "fingerprint/fingerprint.h"
#include "index/align/query.h"

namespace soundgate {

// Whether a step says nothing, whatever its distance.
bool proves_nothing(const Query& query, std::span<const Item> reference, uint32_t query_item,
                    size_t reference_item);

// Step i compares query item query_begin + i with the reference item offsets[i] further on.
struct Path {
  uint32_t query_begin = 0;
  size_t anchor = 0;               // the step it was followed from
  std::vector<int32_t> offsets;    // of each step
  std::vector<uint8_t> distances;  // of each step, in bits; kProvesNothing

  static constexpr uint8_t kProvesNothing = 255;

  size_t size() const { return offsets.size(); }
};

// Where the upload's items lie in the reference: item `anchor` at anchor + offset, and from there
// on `speed` items of the reference with each item of the upload. In whole 65,536ths: it is asked
// for every item that is compared.
struct Line {
  static constexpr int64_t kUnit = 1 << 16;

  uint32_t anchor = 0;
  int32_t offset = 0;
  int64_t speed = kUnit;

  int64_t reference_item(int64_t query_item) const {
    return anchor + offset + (((query_item - anchor) * speed + kUnit / 2) >> 16);
  }
};

// The best line of this speed through the neighbourhood of a place; the offset there is known to
// within kOffsetSlack.
Line line_at(const Query& query, std::span<const Item> reference, uint32_t anchor, int32_t offset,
             double speed);

// Likewise of any speed within kSpeedSteps, where that agrees much better than speed 1.
Line line_of_any_speed(const Query& query, std::span<const Item> reference, uint32_t anchor,
                       int32_t offset);

// From the anchor until either side ends, or until it has long been like unrelated audio.
Path follow_path(const Query& query, std::span<const Item> reference, const Line& line);

struct StepRange {
  size_t begin = 0, end = 0;
  bool empty() const { return begin == end; }
};

// The steps about the anchor that gain the most, where a step gains `bits` - its distance.
StepRange best_range(const Path& path, double bits);

}  // namespace soundgate
