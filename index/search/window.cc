#include "index/search/window.h"

#include <algorithm>
#include <array>
#include <cstring>
#include <numeric>

#include "index/search/distance.h"

namespace soundgate {
namespace {

// Bits that change from one item to the next, summed over a window's 15 steps. See the README,
// "The information gate", for what this was chosen on.
constexpr int kChangedBitsMin = static_cast<int>(kWindowItems) - 1;

}  // namespace

Window pack_window(WindowItems items) {
  Window window;
  std::memcpy(window.data(), items.data(), sizeof(window));
  return window;
}

bool is_informative(WindowItems items) {
  std::array<uint8_t, kWindowItems - 1> changed_bits;
  item_distances(items.first<kWindowItems - 1>(), items.last<kWindowItems - 1>(), changed_bits);
  return std::accumulate(changed_bits.begin(), changed_bits.end(), 0) >= kChangedBitsMin;
}

uint32_t informative_items(std::span<const Item> items) {
  constexpr size_t kStep = kWindowItems / 2;
  size_t covered_end = 0;
  size_t covered_items = 0;
  for (size_t first = 0; first + kWindowItems <= items.size(); first += kStep) {
    if (!is_informative(items.subspan(first).first<kWindowItems>())) continue;
    covered_items += first + kWindowItems - std::max(first, covered_end);
    covered_end = first + kWindowItems;
  }
  return static_cast<uint32_t>(covered_items);
}

}  // namespace soundgate
