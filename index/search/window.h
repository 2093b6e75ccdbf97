// A window: 16 consecutive items, the unit that is indexed and searched.
// 512 bits, so that one fits a cache line. Item 0 is in the low half of word 0.
#pragma once

#include <array>
#include <cstdint>
#include <span>

#include "fingerprint/fingerprint.h"
#include "index/limits.h"

namespace soundgate {

inline constexpr int kWindowBits = static_cast<int>(kWindowItems) * 32;
inline constexpr size_t kWindowWords = kWindowItems / 2;

using Window = std::array<uint64_t, kWindowWords>;
static_assert(sizeof(Window) == kWindowItems * sizeof(Item));

using WindowItems = std::span<const Item, kWindowItems>;

Window pack_window(WindowItems items);

// Whether a window says enough to be told from unrelated audio: silence, drones and steady noise
// make items that hardly change from one to the next, and resemble each other.
bool is_informative(WindowItems items);

// How many of the items lie in an informative window, wherever one may start.
uint32_t informative_items(std::span<const Item> items);
inline double informative_seconds(std::span<const Item> items) {
  return informative_items(items) * kItemSeconds;
}

}  // namespace soundgate
