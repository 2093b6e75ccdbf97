// An inverted file of windows under FAISS's interface: a coarse quantiser (an IndexBinary, as in
// FAISS) says which lists are near a query, and BlockScanner scans them.
// Why not IndexBinaryIVF itself: README, "An inverted file of our own". That one can be driven with
//   the same quantiser, lists and scanner, and gives the same (tests/index/search).
// Reads all queries of a batch list by list, so that a list is fetched from memory once.
// With no quantiser there is one list: a flat index.
// Thread: const; any. Private to window_index.cc, quantiser.cc and their tests.
#pragma once

#include <faiss/IndexBinary.h>

#include "index/search/block_lists.h"

namespace soundgate {

// What FAISS's search interface has no word for.
struct ListSearchParameters : faiss::SearchParameters {
  uint32_t radius = kWindowBits + 1;  // only windows nearer than this
  WindowId first_id = 0;              // only windows with this id or a larger one
  size_t probe_count = 1;             // lists to scan for each query
  // What the quantiser said already: probe_count lists for each query, -1 where there are fewer.
  const faiss::Index::idx_t* lists = nullptr;
};

class ListIndex final : public faiss::IndexBinary {
 public:
  // `quantiser` outlives this; nullptr where there is one list only.
  ListIndex(const BlockLists& lists, const faiss::IndexBinary* quantiser,
            DistanceKernel kernel = distance_kernels().front().scan);

  // The k nearest of each query in the lists probed, nearest first; where there are fewer, the
  // label is -1. Lists that their guard finds unsound are passed over.
  void search(idx_t n, const uint8_t* x, idx_t k, int32_t* distances, idx_t* labels,
              const faiss::SearchParameters* params = nullptr) const override;

  // It is read-only: FAISS's exception.
  void add(idx_t n, const uint8_t* x) override;
  void reset() override;

 private:
  BlockLists lists_;
  const faiss::IndexBinary* quantiser_;
  DistanceKernel kernel_;
};

}  // namespace soundgate
