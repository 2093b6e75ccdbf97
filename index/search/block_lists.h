// Windows in lists, as they lie in memory or in a file: each list is a run of whole blocks, with
// an id for each place of a block.
// Layout: list l is blocks[begin[l], begin[l+1]); the id of lane k of block b is ids[8b + k]. Ids
//   grow along a list; the places that a list's last block has to spare hold kNoId, and zeroes.
// Does not own what it names.
// Thread: const; any.
#pragma once

#include <cstdint>
#include <limits>
#include <span>

#include "index/search/distance.h"

namespace soundgate {

using WindowId = int64_t;  // as faiss::Index::idx_t
inline constexpr WindowId kNoId = std::numeric_limits<WindowId>::max();

// What is asked before blocks are read for the first time: whether they are as they were written.
class BlockGuard {
 public:
  virtual ~BlockGuard() = default;
  virtual bool is_sound(size_t block_begin, size_t block_end) const = 0;
};

struct BlockLists {
  std::span<const uint32_t> begin;  // in blocks; one more than there are lists
  std::span<const WindowBlock> blocks;
  std::span<const WindowId> ids;      // kBlockWindows for each block
  const BlockGuard* guard = nullptr;  // nullptr: memory, that is as it was written

  size_t list_count() const { return begin.empty() ? 0 : begin.size() - 1; }
  std::span<const WindowBlock> blocks_of(size_t list) const {
    return blocks.subspan(begin[list], begin[list + 1] - begin[list]);
  }
  // Without the places to spare.
  std::span<const WindowId> ids_of(size_t list) const {
    size_t end = begin[list + 1] * kBlockWindows;
    const size_t first = begin[list] * kBlockWindows;
    while (end > first && ids[end - 1] == kNoId) --end;
    return ids.subspan(first, end - first);
  }
  bool is_sound(size_t list) const {
    return guard == nullptr || guard->is_sound(begin[list], begin[list + 1]);
  }
};

}  // namespace soundgate
