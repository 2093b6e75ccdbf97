#include "index/search/flat_index.h"

#include <faiss/impl/FaissAssert.h>
#include <faiss/utils/Heap.h>

#include <algorithm>
#include <array>
#include <cstring>

namespace soundgate {
namespace {

// 32 KiB of codes stay in the first-level cache while all queries pass over them.
constexpr size_t kTileBlocks = 64;

using DistanceHeap = faiss::CMax<int32_t, faiss::Index::idx_t>;

// A max-heap of the k nearest so far; FAISS's own helpers keep it.
struct Nearest {
  size_t k;
  int32_t* distances;
  faiss::Index::idx_t* labels;

  uint32_t bound() const { return static_cast<uint32_t>(distances[0]); }
  void offer(uint32_t distance, size_t index) {
    if (distance >= bound()) return;
    faiss::heap_replace_top<DistanceHeap>(k, distances, labels, static_cast<int32_t>(distance),
                                          static_cast<faiss::Index::idx_t>(index));
  }
};

}  // namespace

FlatIndex::FlatIndex(DistanceKernel kernel) : IndexBinary(kWindowBits), kernel_(kernel) {}

void FlatIndex::add(idx_t n, const uint8_t* x) {
  const auto first = static_cast<size_t>(ntotal);
  const size_t end = first + static_cast<size_t>(n);
  blocks_.resize((end + kBlockWindows - 1) / kBlockWindows);  // zeroed
  for (size_t i = first; i < end; ++i, x += code_size) {
    Window window;
    std::memcpy(window.data(), x, sizeof(window));
    put_window(blocks_, i, window);
  }
  ntotal = static_cast<idx_t>(end);
}

void FlatIndex::search(idx_t n, const uint8_t* x, idx_t k, int32_t* distances, idx_t* labels,
                       const faiss::SearchParameters* params) const {
  FAISS_THROW_IF_NOT(k > 0);
  FlatSearchParameters limits;
  if (const auto* own = dynamic_cast<const FlatSearchParameters*>(params)) limits = *own;
  std::fill_n(distances, n * k, static_cast<int32_t>(limits.radius));
  std::fill_n(labels, n * k, idx_t{-1});

  std::array<Near, kTileBlocks * kBlockWindows> near;
  const std::span<const WindowBlock> blocks(blocks_);
  for (size_t block = limits.first / kBlockWindows; block < blocks.size(); block += kTileBlocks) {
    const auto tile = blocks.subspan(block, std::min(kTileBlocks, blocks.size() - block));
    for (idx_t q = 0; q < n; ++q) {
      Window query;
      std::memcpy(query.data(), x + q * code_size, sizeof(query));
      Nearest nearest{static_cast<size_t>(k), distances + q * k, labels + q * k};
      const size_t count = kernel_(query, tile, nearest.bound(), near.data());
      for (size_t i = 0; i < count; ++i) {
        const size_t index = block * kBlockWindows + near[i].index;
        if (index < limits.first || index >= static_cast<size_t>(ntotal)) continue;
        nearest.offer(near[i].distance, index);
      }
    }
  }
  for (idx_t q = 0; q < n; ++q) {
    faiss::heap_reorder<DistanceHeap>(static_cast<size_t>(k), distances + q * k, labels + q * k);
  }
}

void FlatIndex::reset() {
  blocks_.clear();
  ntotal = 0;
}

void FlatIndex::reconstruct(idx_t key, uint8_t* code) const {
  FAISS_THROW_IF_NOT(key >= 0 && key < ntotal);
  const Window window = window_at(blocks_, static_cast<size_t>(key));
  std::memcpy(code, window.data(), sizeof(window));
}

}  // namespace soundgate
