// Says which lists of a segment are near a window: FAISS's coarse quantiser, in two levels.
// Centroids are windows of the data, sampled. Some of them (tuning.h) are leaders; each centroid
// stands in the list of the leader nearest to it. A search looks at the leaders first and then only
// at the lists of the nearest of these, so that 10^5 centroids cost as much as some thousand.
// Nothing is trained: a sample takes no time, and README, "Quantiser", says what it loses.
// Thread: const; any.
#pragma once

#include <faiss/IndexBinary.h>

#include <cstdint>
#include <span>
#include <vector>

#include "index/search/block_lists.h"
#include "index/search/flat_index.h"
#include "index/search/list_index.h"

namespace soundgate {

// What a quantiser is made of, as it lies in a segment. Does not own it.
struct QuantiserView {
  std::span<const Window> leaders;
  BlockLists centroids;  // a list for each leader; ids are the numbers of the segment's lists
  uint64_t digest = 0;   // of all of it; 0: none. Two quantisers with one digest say the same.

  bool empty() const { return leaders.empty(); }
};

// The same, owned.
struct QuantiserParts {
  std::vector<Window> leaders;
  std::vector<uint32_t> begin;
  std::vector<WindowBlock> centroids;
  std::vector<WindowId> ids;
  uint64_t digest = 0;

  QuantiserView view() const { return {leaders, {begin, centroids, ids}, digest}; }
};

uint64_t quantiser_digest(std::span<const Window> leaders, std::span<const WindowBlock> centroids);

// Numbers the centroids from 0 on, in an order of its own.
QuantiserParts make_quantiser(std::span<const Window> centroids);

class Quantiser final : public faiss::IndexBinary {
 public:
  explicit Quantiser(const QuantiserView& view);

  // The k lists nearest to each query.
  void search(idx_t n, const uint8_t* x, idx_t k, int32_t* distances, idx_t* labels,
              const faiss::SearchParameters* params = nullptr) const override;

  // The list of each window.
  void assign_lists(std::span<const Window> windows, std::span<uint32_t> lists) const;

  void add(idx_t n, const uint8_t* x) override;  // read-only: FAISS's exception
  void reset() override;

 private:
  FlatIndex leaders_;
  ListIndex centroids_;
};

}  // namespace soundgate
