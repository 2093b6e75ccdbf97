#include "index/align/path.h"

#include <algorithm>
#include <array>
#include <numeric>

#include "index/align/limits.h"
#include "index/search/distance.h"

namespace soundgate {
namespace {

enum class Direction { kForward, kBackward };

// Query items, ascending; signed, since what is wanted may lie before the start.
struct Run {
  int64_t begin = 0, end = 0;
  size_t size() const { return static_cast<size_t>(std::max(int64_t{0}, end - begin)); }
};

// One way from the anchor, the nearest step first.
struct Walk {
  std::vector<int32_t> offsets;
  std::vector<uint8_t> distances;
};

struct Sides {
  const Query& query;
  std::span<const Item> reference;

  // The part of `wanted` that has a counterpart in the reference.
  Run overlap(Run wanted, int32_t offset) const {
    const auto reference_end = static_cast<int64_t>(reference.size());
    return {std::max({wanted.begin, int64_t{0}, int64_t{-offset}}),
            std::min({wanted.end, int64_t{query.size()}, reference_end - offset})};
  }

  void measure(Run run, int32_t offset, std::span<uint8_t> distances) const;

 private:
  bool proves_nothing(uint32_t query_item, size_t reference_item) const {
    if (!query.is_known(query_item)) return true;
    if (query_item == 0 || reference_item == 0) return false;
    return query.items()[query_item] == query.items()[query_item - 1] &&
           reference[reference_item] == reference[reference_item - 1];
  }
};

void Sides::measure(Run run, int32_t offset, std::span<uint8_t> distances) const {
  const auto query_begin = static_cast<size_t>(run.begin);
  const auto reference_begin = static_cast<size_t>(run.begin + offset);
  item_distances(query.items().subspan(query_begin, run.size()),
                 reference.subspan(reference_begin, run.size()), distances.first(run.size()));
  for (size_t i = 0; i < run.size(); ++i) {
    if (proves_nothing(static_cast<uint32_t>(query_begin + i), reference_begin + i)) {
      distances[i] = Path::kProvesNothing;
    }
  }
}

int sum_of(std::span<const uint8_t> distances) {
  return std::accumulate(distances.begin(), distances.end(), 0, [](int sum, uint8_t distance) {
    return sum + (distance == Path::kProvesNothing ? 0 : distance);
  });
}

struct Block {
  Run run;
  int32_t offset = 0;
  int bits = 0;
  std::array<uint8_t, kPathBlockItems> distances{};

  bool is_whole() const { return run.size() == kPathBlockItems; }
  std::span<const uint8_t> used() const { return std::span(distances).first(run.size()); }
};

Block block_at(const Sides& sides, Run wanted, int32_t offset) {
  Block block{sides.overlap(wanted, offset), offset, 0, {}};
  if (block.run.size() == 0) return block;
  sides.measure(block.run, offset, block.distances);
  block.bits = sum_of(block.used());
  return block;
}

// The block at the offset so far, or at a neighbouring one where that is clearly better.
Block follow(const Sides& sides, Run wanted, int32_t offset) {
  Block best = block_at(sides, wanted, offset);
  if (!best.is_whole()) return best;  // too little to judge by
  const int bits_to_beat = best.bits - kDriftBits;
  for (const int32_t other : {offset - 1, offset + 1}) {
    const Block block = block_at(sides, wanted, other);
    if (block.is_whole() && block.bits < std::min(bits_to_beat, best.bits)) best = block;
  }
  return best;
}

Walk walk(const Sides& sides, uint32_t anchor, int32_t offset, Direction direction) {
  const bool forward = direction == Direction::kForward;
  Walk walk;
  int gain = 0;
  int best_gain = 0;
  for (int64_t at = anchor;; at += forward ? kPathBlockItems : -kPathBlockItems) {
    const Run wanted = forward ? Run{at, at + kPathBlockItems} : Run{at - kPathBlockItems, at};
    const Block block = follow(sides, wanted, offset);
    // A block that does not begin where the last one ended means that a side has ended.
    if (block.run.size() == 0 || (forward ? block.run.begin : block.run.end) != at) break;
    offset = block.offset;
    const auto used = block.used();
    if (forward) {
      walk.distances.insert(walk.distances.end(), used.begin(), used.end());
    } else {
      walk.distances.insert(walk.distances.end(), used.rbegin(), used.rend());
    }
    walk.offsets.resize(walk.distances.size(), offset);

    for (const uint8_t distance : used) {
      if (distance != Path::kProvesNothing) gain += kLikelyBits - distance;
    }
    best_gain = std::max(best_gain, gain);
    if (gain < best_gain - kDropBits || !block.is_whole()) break;
  }
  return walk;
}

// How many steps of a walk to take for the most gain.
template <class Iterator>
size_t best_length(Iterator begin, Iterator end, double bits) {
  double gain = 0;
  double best_gain = 0;
  size_t best = 0;
  size_t length = 0;
  for (Iterator step = begin; step != end; ++step) {
    ++length;
    if (*step == Path::kProvesNothing) continue;
    gain += bits - *step;
    if (gain > best_gain) {
      best_gain = gain;
      best = length;
    }
  }
  return best;
}

}  // namespace

Path follow_path(const Query& query, std::span<const Item> reference, uint32_t anchor,
                 int32_t offset) {
  const Sides sides{query, reference};
  Walk back = walk(sides, anchor, offset, Direction::kBackward);
  const Walk forward = walk(sides, anchor, offset, Direction::kForward);
  Path path;
  path.anchor = back.offsets.size();
  path.query_begin = anchor - static_cast<uint32_t>(path.anchor);
  std::ranges::reverse(back.offsets);
  std::ranges::reverse(back.distances);
  path.offsets = std::move(back.offsets);
  path.distances = std::move(back.distances);
  path.offsets.insert(path.offsets.end(), forward.offsets.begin(), forward.offsets.end());
  path.distances.insert(path.distances.end(), forward.distances.begin(), forward.distances.end());
  return path;
}

int32_t refine_offset(const Query& query, std::span<const Item> reference, uint32_t query_item,
                      int32_t offset) {
  const Sides sides{query, reference};
  const Run around{int64_t{query_item} - kPathBlockItems,
                   int64_t{query_item} + 2 * kPathBlockItems};
  std::array<uint8_t, 3 * kPathBlockItems> distances;
  int32_t best = offset;
  double best_rate = 33;
  for (int32_t other = offset - kOffsetSlack; other <= offset + kOffsetSlack; ++other) {
    const Run run = sides.overlap(around, other);
    if (run.size() < kPathBlockItems) continue;
    sides.measure(run, other, distances);
    const double rate = static_cast<double>(sum_of(std::span(distances).first(run.size()))) /
                        static_cast<double>(run.size());
    if (rate < best_rate) {
      best_rate = rate;
      best = other;
    }
  }
  return best;
}

StepRange best_range(const Path& path, double bits) {
  const auto anchor = static_cast<ptrdiff_t>(path.anchor);
  const auto& distances = path.distances;
  const size_t forward = best_length(distances.begin() + anchor, distances.end(), bits);
  const size_t back = best_length(distances.rend() - anchor, distances.rend(), bits);
  return {path.anchor - back, path.anchor + forward};
}

}  // namespace soundgate
