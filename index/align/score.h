// How alike two stretches of items are, against what chance would give for these two.
// Chance: if the bits of both were drawn independently, each bit b with the frequency it has in its
//   own stretch, they would differ at the rate sum_b[p_q(1-p_r) + (1-p_q)p_r] / 32. A drone, whose
//   bits are nearly constant, has a low chance rate: agreeing with another drone proves little.
// Frequencies are taken block by block, since music changes: over a whole track, that both are
//   loud in one half and soft in the other would count as agreement.
#pragma once

#include <array>
#include <cstdint>

#include "fingerprint/fingerprint.h"

namespace soundgate {

struct Similarity {
  double bit_error_rate = 0;
  double chance = 0;  // the bit error rate that chance would give
  double score = 0;   // 1 - bit_error_rate / chance; 0 where there is nothing to compare
  // From one item to the next, the mean of both sides, relative to bits that chance would change:
  // 1 where every item is news, 0 where all are the same.
  double changed_share = 0;
};

// Sums over pairs of items, in order.
class Comparison {
 public:
  void add(Item query, Item reference);
  uint32_t item_count() const { return item_count_; }
  Similarity similarity() const;

 private:
  struct Block {
    std::array<uint32_t, 32> query_ones{};
    std::array<uint32_t, 32> reference_ones{};
    uint32_t item_count = 0;

    void add(const Block& other);
    double chance_bits() const;  // expected, in all of the block
  };

  double closed_chance_bits_ = 0;  // of the blocks before the last whole one
  Block whole_;                    // the last whole one: a small rest is added to it
  Block open_;
  uint64_t differing_bits_ = 0;
  uint64_t changed_bits_ = 0;  // since the item before, in both
  Item last_query_ = 0, last_reference_ = 0;
  uint32_t item_count_ = 0;
};

}  // namespace soundgate
