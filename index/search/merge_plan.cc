#include "index/search/merge_plan.h"

#include <algorithm>
#include <numeric>

namespace soundgate {
namespace {

// How far to the left the carry goes that starts with segments [begin, end).
size_t carry(std::span<const SegmentSize> segments, size_t begin, size_t end) {
  size_t windows = 0;
  for (size_t i = begin; i < end; ++i) windows += segments[i].windows;
  while (begin > 0 && segments[begin - 1].windows < 2 * windows) {
    windows += segments[--begin].windows;
  }
  return begin;
}

std::optional<MergePlan> plan_rebuild(std::span<const SegmentSize> segments) {
  const auto damaged = std::ranges::find_if(segments, &SegmentSize::is_damaged);
  if (damaged == segments.end()) return std::nullopt;
  const auto index = static_cast<size_t>(damaged - segments.begin());
  return MergePlan{index, index + 1, true};
}

}  // namespace

std::optional<MergePlan> plan_merge_of_all(std::span<const SegmentSize> segments,
                                           size_t live_windows) {
  if (const auto rebuild = plan_rebuild(segments)) return rebuild;
  const bool is_done =
      segments.size() == 1 && segments[0].is_file && segments[0].windows == live_windows;
  if (segments.empty() || is_done) return std::nullopt;
  return MergePlan{0, segments.size()};
}

std::optional<MergePlan> plan_merge(std::span<const SegmentSize> segments, size_t live_windows) {
  if (const auto rebuild = plan_rebuild(segments)) return rebuild;
  size_t files = 0, windows = 0, in_memory = 0;
  for (const SegmentSize& segment : segments) {
    files += segment.is_file;
    windows += segment.windows;
    if (!segment.is_file) in_memory += segment.windows;
  }
  if (files > 0 && windows - in_memory >= kSealWindows && windows > 2 * live_windows) {
    return MergePlan{0, segments.size()};
  }
  if (in_memory >= kSealWindows)
    return MergePlan{carry(segments, files, segments.size()), segments.size()};
  for (size_t end = files; end > 1; --end) {
    const size_t begin = carry(segments, end - 1, end);
    if (begin + 1 < end) return MergePlan{begin, end};
  }
  return std::nullopt;
}

}  // namespace soundgate
