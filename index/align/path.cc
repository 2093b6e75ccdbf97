#include "index/align/path.h"

#include <algorithm>
#include <array>
#include <numeric>

#include "index/align/limits.h"
#include "index/search/distance.h"

namespace soundgate {
namespace {

// A run of query items, ascending, that has a counterpart in the reference at some offset.
struct Run {
  int64_t begin = 0, end = 0;
  bool empty() const { return begin >= end; }
};

Run overlap(const Query& query, std::span<const Item> reference, int64_t begin, int64_t end,
            int32_t offset) {
  const auto reference_end = static_cast<int64_t>(reference.size());
  return {std::max({begin, int64_t{0}, int64_t{-offset}}),
          std::min({end, int64_t{query.size()}, reference_end - offset})};
}

void distances_of(const Query& query, std::span<const Item> reference, Run run, int32_t offset,
                  std::span<uint8_t> distances) {
  const auto count = static_cast<size_t>(run.end - run.begin);
  item_distances(query.items().subspan(static_cast<size_t>(run.begin), count),
                 reference.subspan(static_cast<size_t>(run.begin + offset), count), distances);
  const auto begin = static_cast<uint32_t>(run.begin);
  if (query.is_known(begin, begin + static_cast<uint32_t>(count))) return;
  for (uint32_t i = 0; i < count; ++i) {
    if (!query.is_known(begin + i)) distances[i] = Walk::kUnknown;
  }
}

int sum_of(std::span<const uint8_t> distances) {
  return std::accumulate(distances.begin(), distances.end(), 0, [](int sum, uint8_t distance) {
    return sum + (distance == Walk::kUnknown ? 0 : distance);
  });
}

struct Block {
  Run run;
  int32_t offset = 0;
  int bits = 0;
  std::array<uint8_t, kPathBlockItems> distances{};

  std::span<const uint8_t> used() const {
    return std::span(distances).first(static_cast<size_t>(run.end - run.begin));
  }
};

Block block_at(const Query& query, std::span<const Item> reference, Run wanted, int32_t offset) {
  Block block{overlap(query, reference, wanted.begin, wanted.end, offset), offset, 0, {}};
  if (block.run.empty()) return block;
  const auto count = static_cast<size_t>(block.run.end - block.run.begin);
  distances_of(query, reference, block.run, offset, std::span(block.distances).first(count));
  block.bits = sum_of(block.used());
  return block;
}

// The block at the offset so far, or at a neighbouring one where that is clearly better.
Block follow(const Query& query, std::span<const Item> reference, Run wanted, int32_t offset) {
  Block best = block_at(query, reference, wanted, offset);
  if (best.run.end - best.run.begin < kPathBlockItems) return best;  // too little to judge by
  const int stay = best.bits;
  for (const int32_t other : {offset - 1, offset + 1}) {
    const Block block = block_at(query, reference, wanted, other);
    if (block.run.end - block.run.begin < kPathBlockItems) continue;
    if (block.bits + kDriftBits < stay && block.bits < best.bits) best = block;
  }
  return best;
}

}  // namespace

size_t Walk::best_length(double bits) const {
  double gain = 0;
  double best_gain = 0;
  size_t best = 0;
  for (size_t i = 0; i < distances.size(); ++i) {
    if (distances[i] == kUnknown) continue;
    gain += bits - distances[i];
    if (gain > best_gain) {
      best_gain = gain;
      best = i + 1;
    }
  }
  return best;
}

int32_t refine_offset(const Query& query, std::span<const Item> reference, uint32_t query_item,
                      int32_t offset) {
  const int64_t begin = int64_t{query_item} - kPathBlockItems;
  const int64_t end = int64_t{query_item} + 2 * kPathBlockItems;
  std::array<uint8_t, 3 * kPathBlockItems> distances;
  int32_t best = offset;
  double best_rate = 33;
  for (int32_t other = offset - kOffsetSlack; other <= offset + kOffsetSlack; ++other) {
    const Run run = overlap(query, reference, begin, end, other);
    if (run.end - run.begin < kPathBlockItems) continue;
    const auto used = std::span(distances).first(static_cast<size_t>(run.end - run.begin));
    distances_of(query, reference, run, other, used);
    const double rate = static_cast<double>(sum_of(used)) / static_cast<double>(used.size());
    if (rate < best_rate) {
      best_rate = rate;
      best = other;
    }
  }
  return best;
}

Walk walk(const Query& query, std::span<const Item> reference, uint32_t anchor, int32_t offset,
          Direction direction) {
  const bool forward = direction == Direction::kForward;
  Walk walk;
  int gain = 0;
  int best_gain = 0;
  for (int64_t at = anchor;; at += forward ? kPathBlockItems : -kPathBlockItems) {
    const Run wanted = forward ? Run{at, at + kPathBlockItems} : Run{at - kPathBlockItems, at};
    const Block block = follow(query, reference, wanted, offset);
    // A block that does not begin where the last one ended means that a side has ended.
    if (block.run.empty() || (forward ? block.run.begin != at : block.run.end != at)) break;
    offset = block.offset;
    const auto used = block.used();
    if (forward) {
      walk.distances.insert(walk.distances.end(), used.begin(), used.end());
    } else {
      walk.distances.insert(walk.distances.end(), used.rbegin(), used.rend());
    }
    walk.offsets.resize(walk.distances.size(), offset);

    for (const uint8_t distance : used) {
      if (distance != Walk::kUnknown) gain += kLikelyBits - distance;
    }
    best_gain = std::max(best_gain, gain);
    if (gain < best_gain - kDropBits || used.size() < kPathBlockItems) break;
  }
  return walk;
}

}  // namespace soundgate
