// Scans one list for one query: FAISS's inverted-list scanner, with our kernel on our blocks.
// FAISS hands over a list as bytes; here these are whole WindowBlocks, of which the first `n`
// windows count.
// Thread: one.
#pragma once

#include <faiss/IndexBinaryIVF.h>
#include <faiss/impl/IDSelector.h>

#include "index/search/block_lists.h"

namespace soundgate {

class BlockScanner final : public faiss::BinaryInvertedListScanner {
 public:
  // `first_id`: windows with smaller ids are passed over, and those that `wanted` has not (null: it
  // has all). It is asked of near ones only, and outlives this.
  explicit BlockScanner(DistanceKernel kernel, WindowId first_id = 0,
                        const faiss::IDSelector* wanted = nullptr)
      : kernel_(kernel), first_id_(first_id), wanted_(wanted) {}

  void set_query(const uint8_t* query_vector) override;
  void set_list(idx_t, uint8_t) override {}
  // Offers the heap what is nearer than its top; says how often it took something.
  size_t scan_codes(size_t n, const uint8_t* codes, const idx_t* ids, int32_t* distances,
                    idx_t* labels, size_t k) const override;

  // In a block no code lies in one piece, and nobody asks for ranges: FAISS's exception.
  uint32_t distance_to_code(const uint8_t* code) const override;
  void scan_codes_range(size_t n, const uint8_t* codes, const idx_t* ids, int radius,
                        faiss::RangeQueryResult& result) const override;

 private:
  DistanceKernel kernel_;
  WindowId first_id_;
  const faiss::IDSelector* wanted_;
  Window query_{};
};

}  // namespace soundgate
