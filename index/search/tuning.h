// How many lists a segment has, and how many of them a query looks into. What it was chosen on:
// README, "Lists and probes".
#pragma once

#include <algorithm>
#include <bit>
#include <cstddef>

namespace soundgate {

// Fewer windows are searched flat: that is as quick, and misses nothing.
inline constexpr size_t kFlatWindowsMax = 8 * 1024;

inline constexpr size_t kListWindows = 128;          // that a list should have
inline constexpr size_t kListCountMax = 256 * 1024;  // 2^18 centroids are 16 MB

inline size_t list_count(size_t windows) {
  if (windows <= kFlatWindowsMax) return 1;
  return std::min(std::bit_ceil(windows / kListWindows), kListCountMax);
}

// Of a quantiser that was made for fewer or more windows.
inline bool suits(size_t list_count_there, size_t windows) {
  const size_t wanted = list_count(windows);
  return list_count_there <= 2 * wanted && wanted <= 4 * list_count_there;
}

// Windows that a query is compared with, and bounds of what it probes.
inline constexpr size_t kScannedWindows = 6000;
inline constexpr size_t kProbesMin = 8;
inline constexpr size_t kProbesMax = 64;

inline size_t probe_count(size_t windows, size_t lists) {
  const size_t wanted = kScannedWindows * lists / std::max<size_t>(windows, 1);
  return std::min(lists, std::clamp(wanted, kProbesMin, kProbesMax));
}

}  // namespace soundgate
