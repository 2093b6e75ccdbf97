// How many lists a segment has, and how many of them a query looks into. What it was chosen on:
// README, "Lists and probes".
#pragma once

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstddef>

#include "fingerprint/fingerprint.h"

namespace soundgate {

// Fewer windows are searched flat: that is as quick, and misses nothing.
inline constexpr size_t kFlatWindowsMax = kBandCount * 16 * 1024;

inline constexpr size_t kListWindows =
    kBandCount * 128;  // at least, that a new list has of all bands, on average
inline constexpr size_t kListCountMax = 512 * 1024;  // 2^19 centroids are 38 MB

inline size_t list_count(size_t windows) {
  if (windows <= kFlatWindowsMax) return 1;
  return std::min(std::bit_floor(windows / kListWindows), kListCountMax);
}

// Of a quantiser that was made for fewer or more windows.
inline bool suits(size_t list_count_there, size_t windows) {
  const size_t wanted = list_count(windows);
  return list_count_there <= 2 * wanted && wanted <= 2 * list_count_there;
}

// Of the centroids of so many lists. They stay in the cache, where each costs a fraction of what a
// centroid does: twice the root of their number makes the least of both.
inline size_t leader_count(size_t lists) {
  return std::min(lists, static_cast<size_t>(2 * std::sqrt(static_cast<double>(lists))));
}
inline constexpr double kLeaderCost = 0.4;  // of a window that is read from memory

// Leaders whose lists of centroids are looked at, by a window that is stored as by one that is
// searched for: what they see is what they agree on.
inline constexpr size_t kLeadersLookedAt = 8;

// Windows that a query is compared with, those of the quantiser included: that is its cost.
inline constexpr size_t kComparedWindows = 3000;
// The same of all queries of a close search of one band together, however many they are; and of all
// probes of an upload, which have up to forty bands.
inline constexpr size_t kCloselyComparedWindows = 6'000'000;
inline constexpr size_t kCloselyComparedOfProbes = 8 * kCloselyComparedWindows;
inline constexpr size_t kProbesMin = 4;
inline constexpr size_t kProbesMax = 1024;

// Lists of one band; windows are all that are in them.
inline size_t probe_count(size_t windows, size_t lists, size_t compared) {
  const size_t leaders = leader_count(lists);
  const size_t quantiser = static_cast<size_t>(kLeaderCost * static_cast<double>(leaders)) +
                           kLeadersLookedAt * lists / leaders;
  const size_t left = compared - std::min(compared, quantiser);
  // Queries are where windows crowd: the lists that they probe are twice as long as others.
  const size_t wanted = left / 2 * lists / std::max<size_t>(windows, 1);
  return std::min(lists, std::clamp(wanted, kProbesMin, kProbesMax));
}

}  // namespace soundgate
