// A flat binary index under FAISS's interface. FAISS's own (IndexBinaryFlat) takes 25.6 ns a code
// with Debian's build; this one keeps the codes transposed, in blocks, for the kernels of
// distance.h. Private to window_index.cc and its tests.
// Thread: as FAISS: const calls from any, others from one.
#pragma once

#include <faiss/IndexBinary.h>

#include <vector>

#include "index/search/distance.h"

namespace soundgate {

// What FAISS's search interface has no word for.
struct FlatSearchParameters : faiss::SearchParameters {
  uint32_t radius = kWindowBits + 1;  // only codes nearer than this
  size_t first = 0;                   // only codes from this index on
};

class FlatIndex final : public faiss::IndexBinary {
 public:
  explicit FlatIndex(DistanceKernel kernel = distance_kernels().front().scan);

  // n codes of 64 bytes.
  void add(idx_t n, const uint8_t* x) override;
  // The k nearest of each query, nearest first; where there are fewer, the label is -1.
  void search(idx_t n, const uint8_t* x, idx_t k, int32_t* distances, idx_t* labels,
              const faiss::SearchParameters* params = nullptr) const override;
  void reset() override;
  void reconstruct(idx_t key, uint8_t* code) const override;

 private:
  DistanceKernel kernel_;
  std::vector<WindowBlock> blocks_;  // the last one is padded with zeroes
};

}  // namespace soundgate
