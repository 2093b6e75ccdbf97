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

  // The part of `wanted` that has a counterpart in the reference, `drift` items beside the line.
  Run overlap(Run wanted, const Line& line, int32_t drift) const;

  void measure(Run run, const Line& line, int32_t drift, std::span<uint8_t> distances) const;
};

Run Sides::overlap(Run wanted, const Line& line, int32_t drift) const {
  const auto reference_end = static_cast<int64_t>(reference.size());
  Run run{std::max(wanted.begin, int64_t{0}), std::min(wanted.end, int64_t{query.size()})};
  while (run.begin < run.end && line.reference_item(run.begin) + drift < 0) ++run.begin;
  while (run.begin < run.end && line.reference_item(run.end - 1) + drift >= reference_end) {
    --run.end;
  }
  return run;
}

void Sides::measure(Run run, const Line& line, int32_t drift, std::span<uint8_t> distances) const {
  std::array<Item, kLineItems> there;
  for (size_t i = 0; i < run.size(); ++i) {
    const int64_t item = line.reference_item(run.begin + static_cast<int64_t>(i)) + drift;
    there[i] = reference[static_cast<size_t>(item)];
  }
  const auto query_begin = static_cast<size_t>(run.begin);
  item_distances(query.items().subspan(query_begin, run.size()), std::span(there).first(run.size()),
                 distances.first(run.size()));
  for (size_t i = 0; i < run.size(); ++i) {
    const int64_t item = line.reference_item(run.begin + static_cast<int64_t>(i)) + drift;
    if (proves_nothing(query, reference, static_cast<uint32_t>(query_begin + i),
                       static_cast<size_t>(item))) {
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
  int32_t drift = 0;
  int bits = 0;
  std::array<uint8_t, kPathBlockItems> distances{};

  bool is_whole() const { return run.size() == kPathBlockItems; }
  std::span<const uint8_t> used() const { return std::span(distances).first(run.size()); }
};

Block block_at(const Sides& sides, Run wanted, const Line& line, int32_t drift) {
  Block block{sides.overlap(wanted, line, drift), drift, 0, {}};
  if (block.run.size() == 0) return block;
  sides.measure(block.run, line, drift, block.distances);
  block.bits = sum_of(block.used());
  return block;
}

// The block as far beside the line as the one before, or a step further where that is clearly
// better.
Block follow(const Sides& sides, Run wanted, const Line& line, int32_t drift) {
  Block best = block_at(sides, wanted, line, drift);
  if (!best.is_whole()) return best;  // too little to judge by
  const int bits_to_beat = best.bits - kDriftBits;
  for (const int32_t other : {drift - 1, drift + 1}) {
    const Block block = block_at(sides, wanted, line, other);
    if (block.is_whole() && block.bits < std::min(bits_to_beat, best.bits)) best = block;
  }
  return best;
}

void append(Walk& walk, const Block& block, const Line& line, Direction direction) {
  const auto used = block.used();
  for (size_t i = 0; i < used.size(); ++i) {
    const size_t at = direction == Direction::kForward ? i : used.size() - 1 - i;
    const int64_t query_item = block.run.begin + static_cast<int64_t>(at);
    walk.distances.push_back(used[at]);
    walk.offsets.push_back(
        static_cast<int32_t>(line.reference_item(query_item) + block.drift - query_item));
  }
}

Walk walk(const Sides& sides, const Line& line, Direction direction) {
  const bool forward = direction == Direction::kForward;
  Walk walk;
  int32_t drift = 0;
  int gain = 0;
  int best_gain = 0;
  for (int64_t at = line.anchor;; at += forward ? kPathBlockItems : -kPathBlockItems) {
    const Run wanted = forward ? Run{at, at + kPathBlockItems} : Run{at - kPathBlockItems, at};
    const Block block = follow(sides, wanted, line, drift);
    // A block that does not begin where the last one ended means that a side has ended.
    if (block.run.size() == 0 || (forward ? block.run.begin : block.run.end) != at) break;
    drift = block.drift;
    append(walk, block, line, direction);
    for (const uint8_t distance : block.used()) {
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

// Bits that differ per item, in the neighbourhood of the anchor.
double bits_along(const Sides& sides, const Line& line, int64_t item_count) {
  const Run around{line.anchor - (item_count - kPathBlockItems) / 2,
                   line.anchor + (item_count + kPathBlockItems) / 2};
  const Run run = sides.overlap(around, line, 0);
  if (run.size() < kPathBlockItems) return 32;
  std::array<uint8_t, kLineItems> distances;
  sides.measure(run, line, 0, distances);
  return static_cast<double>(sum_of(std::span(distances).first(run.size()))) /
         static_cast<double>(run.size());
}

Line best_of_lines(const Sides& sides, const Line& about, int32_t slack, int64_t item_count) {
  Line best = about;
  double best_bits = 33;
  for (int32_t other = about.offset - slack; other <= about.offset + slack; ++other) {
    const Line line{about.anchor, other, about.speed};
    const double bits = bits_along(sides, line, item_count);
    if (bits >= best_bits) continue;
    best_bits = bits;
    best = line;
  }
  return best;
}

}  // namespace

bool proves_nothing(const Query& query, std::span<const Item> reference, uint32_t query_item,
                    size_t reference_item) {
  if (!query.is_known(query_item)) return true;
  if (query_item == 0 || reference_item == 0) return false;
  return query.items()[query_item] == query.items()[query_item - 1] &&
         reference[reference_item] == reference[reference_item - 1];
}

Path follow_path(const Query& query, std::span<const Item> reference, const Line& line) {
  const Sides sides{query, reference};
  Walk back = walk(sides, line, Direction::kBackward);
  const Walk forward = walk(sides, line, Direction::kForward);
  Path path;
  path.anchor = back.offsets.size();
  path.query_begin = line.anchor - static_cast<uint32_t>(path.anchor);
  std::ranges::reverse(back.offsets);
  std::ranges::reverse(back.distances);
  path.offsets = std::move(back.offsets);
  path.distances = std::move(back.distances);
  path.offsets.insert(path.offsets.end(), forward.offsets.begin(), forward.offsets.end());
  path.distances.insert(path.distances.end(), forward.distances.begin(), forward.distances.end());
  return path;
}

Line line_at(const Query& query, std::span<const Item> reference, uint32_t anchor, int32_t offset,
             double speed) {
  const Line about{anchor, offset, static_cast<int64_t>(speed * Line::kUnit)};
  return best_of_lines({query, reference}, about, kOffsetSlack, 3 * kPathBlockItems);
}

Line line_of_any_speed(const Query& query, std::span<const Item> reference, uint32_t anchor,
                       int32_t offset) {
  const Sides sides{query, reference};
  const Line straight = line_at(query, reference, anchor, offset, 1);
  Line best = straight;
  double best_bits = bits_along(sides, straight, kLineItems) - kSpeedBits;
  for (int step = 1; step <= kSpeedSteps; ++step) {
    const int64_t change = step * static_cast<int64_t>(kSpeedStep * Line::kUnit);
    for (const int64_t speed : {Line::kUnit + change, Line::kUnit - change}) {
      for (const int32_t other : {straight.offset - 1, straight.offset, straight.offset + 1}) {
        const Line line{anchor, other, speed};
        const double bits = bits_along(sides, line, kLineItems);
        if (bits >= best_bits) continue;
        best_bits = bits;
        best = line;
      }
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
