#include "index/search/block_scanner.h"

#include <faiss/impl/FaissAssert.h>
#include <faiss/utils/Heap.h>

#include <algorithm>
#include <array>
#include <cstring>

namespace soundgate {
namespace {

// What one call of the kernel may find: it bounds a buffer on the stack.
constexpr size_t kTileBlocks = 64;

using DistanceHeap = faiss::CMax<int32_t, faiss::Index::idx_t>;

}  // namespace

void BlockScanner::set_query(const uint8_t* query_vector) {
  std::memcpy(query_.data(), query_vector, sizeof(query_));
}

size_t BlockScanner::scan_codes(size_t n, const uint8_t* codes, const idx_t* ids,
                                int32_t* distances, idx_t* labels, size_t k) const {
  const size_t block_count = (n + kBlockWindows - 1) / kBlockWindows;
  const std::span blocks(reinterpret_cast<const WindowBlock*>(codes), block_count);
  size_t first = 0;
  if (first_id_ > 0) {
    first = static_cast<size_t>(std::lower_bound(ids, ids + n, first_id_) - ids);
  }
  size_t taken = 0;
  std::array<Near, kTileBlocks * kBlockWindows> near;
  for (size_t block = first / kBlockWindows; block < block_count; block += kTileBlocks) {
    const auto tile = blocks.subspan(block, std::min(kTileBlocks, block_count - block));
    const size_t count = kernel_(query_, tile, static_cast<uint32_t>(distances[0]), near.data());
    for (size_t i = 0; i < count; ++i) {
      const size_t index = block * kBlockWindows + near[i].index;
      const auto distance = static_cast<int32_t>(near[i].distance);
      if (index < first || index >= n || distance >= distances[0]) continue;
      if (wanted_ != nullptr && !wanted_->is_member(ids[index])) continue;
      faiss::heap_replace_top<DistanceHeap>(k, distances, labels, distance, ids[index]);
      ++taken;
    }
  }
  return taken;
}

uint32_t BlockScanner::distance_to_code(const uint8_t*) const {
  FAISS_THROW_MSG("the codes of a block are transposed");
}

void BlockScanner::scan_codes_range(size_t, const uint8_t*, const idx_t*, int,
                                    faiss::RangeQueryResult&) const {
  FAISS_THROW_MSG("ranges are searched with a heap and a radius");
}

}  // namespace soundgate
