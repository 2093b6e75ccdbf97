#include "index/search/window.h"

#include <algorithm>
#include <bit>
#include <cstring>

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
  int changed_bits = 0;
  for (size_t i = 1; i < items.size(); ++i) {
    changed_bits += std::popcount(items[i - 1] ^ items[i]);
  }
  return changed_bits >= kChangedBitsMin;
}

double informative_seconds(std::span<const Item> items) {
  size_t covered_end = 0;
  size_t covered_items = 0;
  for (size_t first = 0; first + kWindowItems <= items.size(); first += kReferenceStride) {
    if (!is_informative(items.subspan(first).first<kWindowItems>())) continue;
    covered_items += first + kWindowItems - std::max(first, covered_end);
    covered_end = first + kWindowItems;
  }
  return static_cast<double>(covered_items) * kItemSeconds;
}

}  // namespace soundgate
