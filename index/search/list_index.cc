#include "index/search/list_index.h"

#include <faiss/impl/FaissAssert.h>
#include <faiss/utils/Heap.h>

#include <algorithm>
#include <vector>

#include "index/search/block_scanner.h"

namespace soundgate {
namespace {

using faiss::Index;
using DistanceHeap = faiss::CMax<int32_t, Index::idx_t>;

// 32 KiB of codes stay in the first-level cache while all queries pass over them.
constexpr size_t kTileBlocks = 64;

struct Probe {
  uint32_t list;
  uint32_t query;
};

std::vector<Probe> probes_by_list(size_t query_count, std::span<const Index::idx_t> lists) {
  std::vector<Probe> probes;
  probes.reserve(lists.size());
  const size_t per_query = lists.size() / query_count;
  for (size_t i = 0; i < lists.size(); ++i) {
    if (lists[i] < 0) continue;
    probes.push_back({static_cast<uint32_t>(lists[i]), static_cast<uint32_t>(i / per_query)});
  }
  std::ranges::sort(probes, {},
                    [](const Probe& probe) { return uint64_t{probe.list} << 32 | probe.query; });
  return probes;
}

// The lists lie all over memory: the next one is fetched while this one is scanned.
void prefetch(std::span<const WindowBlock> blocks) {
  for (const WindowBlock& block : blocks.first(std::min(blocks.size(), kTileBlocks / 2))) {
    for (const auto& row : block.words) __builtin_prefetch(row);
  }
}

// One search: the queries, and for each a heap of what is nearest so far.
struct Batch {
  const uint8_t* queries;
  size_t code_bytes;
  size_t k;
  int32_t* distances;
  Index::idx_t* labels;

  void scan(BlockScanner& scanner, std::span<const WindowBlock> blocks,
            std::span<const WindowId> ids, std::span<const Probe> probes) const {
    for (size_t begin = 0; begin < ids.size(); begin += kTileBlocks * kBlockWindows) {
      const size_t count = std::min(ids.size() - begin, kTileBlocks * kBlockWindows);
      const auto* codes = reinterpret_cast<const uint8_t*>(&blocks[begin / kBlockWindows]);
      for (const Probe& probe : probes) {
        scanner.set_query(queries + probe.query * code_bytes);
        scanner.scan_codes(count, codes, ids.data() + begin, distances + probe.query * k,
                           labels + probe.query * k, k);
      }
    }
  }
};

}  // namespace

ListIndex::ListIndex(const BlockLists& lists, const IndexBinary* quantiser, DistanceKernel kernel)
    : IndexBinary(kWindowBits), lists_(lists), quantiser_(quantiser), kernel_(kernel) {}

void ListIndex::search(idx_t n, const uint8_t* x, idx_t k, int32_t* distances, idx_t* labels,
                       const faiss::SearchParameters* params) const {
  FAISS_THROW_IF_NOT(k > 0);
  ListSearchParameters limits;
  if (const auto* own = dynamic_cast<const ListSearchParameters*>(params)) limits = *own;
  std::fill_n(distances, n * k, static_cast<int32_t>(limits.radius));
  std::fill_n(labels, n * k, idx_t{-1});
  if (n == 0) return;

  const auto query_count = static_cast<size_t>(n);
  std::vector<idx_t> own_lists;
  std::span<const idx_t> wanted(limits.lists, limits.lists ? query_count * limits.probe_count : 0);
  if (limits.lists == nullptr) {
    own_lists.assign(query_count * (quantiser_ ? limits.probe_count : 1), 0);
    if (quantiser_ != nullptr) {
      std::vector<int32_t> list_distances(own_lists.size());
      quantiser_->search(n, x, static_cast<idx_t>(limits.probe_count), list_distances.data(),
                         own_lists.data());
    }
    wanted = own_lists;
  }
  const std::vector<Probe> probes = probes_by_list(query_count, wanted);

  BlockScanner scanner(kernel_, limits.first_id, limits.sel);
  const Batch batch{x, static_cast<size_t>(code_size), static_cast<size_t>(k), distances, labels};
  for (size_t begin = 0, end = 0; begin < probes.size(); begin = end) {
    const uint32_t list = probes[begin].list;
    while (end < probes.size() && probes[end].list == list) ++end;
    if (end < probes.size()) prefetch(lists_.blocks_of(probes[end].list));
    if (!lists_.is_sound(list)) continue;
    batch.scan(scanner, lists_.blocks_of(list), lists_.ids_of(list),
               std::span(probes).subspan(begin, end - begin));
  }
  for (size_t q = 0; q < query_count; ++q) {
    faiss::heap_reorder<DistanceHeap>(batch.k, distances + q * batch.k, labels + q * batch.k);
  }
}

void ListIndex::add(idx_t, const uint8_t*) { FAISS_THROW_MSG("a list index is read-only"); }
void ListIndex::reset() { FAISS_THROW_MSG("a list index is read-only"); }

}  // namespace soundgate
