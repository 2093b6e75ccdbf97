// Which segments to write into one file next. Small ones in memory are sealed together when they
// are many; a file is merged with its predecessors while these are less than twice as large, like a
// carry in binary counting; when half of all windows are dead, everything is written anew.
// Files come first among a snapshot's segments, then what is in memory.
// Thread: any; it keeps nothing.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>

namespace soundgate {

// Windows in memory that are written to a file; some 600 songs, 9 MB.
inline constexpr size_t kSealWindows = 128 * 1024;

struct SegmentSize {
  size_t windows = 0;
  bool is_file = false;
  bool is_damaged = false;  // a file, to be made again of the catalogue
};

struct MergePlan {
  size_t begin = 0, end = 0;  // of the segments
  bool rebuild = false;       // one, damaged
};

std::optional<MergePlan> plan_merge(std::span<const SegmentSize> segments, size_t live_windows);
// Everything, unless it is one file without dead windows already; what is damaged comes first.
std::optional<MergePlan> plan_merge_of_all(std::span<const SegmentSize> segments,
                                           size_t live_windows);

}  // namespace soundgate
