// The Hamming distance kernel: one query window against blocks of eight.
// Layout: a block holds eight windows transposed, word w of window l at words[w][l], so that a
//   512-bit register holds the same word of all eight and no sum has to cross its lanes.
// Chosen at run time: AVX-512 VPOPCNTDQ, AVX2, or portable code.
// Thread: any.
// Source: the nibble table of the AVX2 kernel: Mula, Kurz, Lemire, "Faster population counts using
//   AVX2 instructions", 2018.
#pragma once

#include <cstdint>
#include <span>
#include <string_view>

#include "index/search/window.h"

namespace soundgate {

inline constexpr size_t kBlockWindows = 8;

struct alignas(64) WindowBlock {
  uint64_t words[kWindowWords][kBlockWindows];
};
static_assert(sizeof(WindowBlock) == kBlockWindows * sizeof(Window));

// Window `index` counts from the first block on.
inline void put_window(std::span<WindowBlock> blocks, size_t index, const Window& window) {
  WindowBlock& block = blocks[index / kBlockWindows];
  for (size_t w = 0; w < kWindowWords; ++w) block.words[w][index % kBlockWindows] = window[w];
}

inline Window window_at(std::span<const WindowBlock> blocks, size_t index) {
  const WindowBlock& block = blocks[index / kBlockWindows];
  Window window;
  for (size_t w = 0; w < kWindowWords; ++w) window[w] = block.words[w][index % kBlockWindows];
  return window;
}

struct Near {
  uint32_t index;     // of the window, from the first block on
  uint32_t distance;  // in bits, 0..512
};

// Writes each window of `blocks` that is nearer than `radius` to `near`, by index, and says how
// many. `near` has room for all of them.
using DistanceKernel = size_t (*)(const Window& query, std::span<const WindowBlock> blocks,
                                  uint32_t radius, Near* near);

struct NamedKernel {
  std::string_view name;  // "avx512", "avx2", "portable"
  DistanceKernel scan;
};

// The distance of each item of `left` to its counterpart in `right`, 0..32 bits. All of one size.
void item_distances(std::span<const Item> left, std::span<const Item> right,
                    std::span<uint8_t> distances);

// Those that run on this processor, best first. Never empty.
std::span<const NamedKernel> distance_kernels();

}  // namespace soundgate
