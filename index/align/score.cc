#include "index/align/score.h"

#include <bit>
#include <cstddef>

namespace soundgate {

void Comparison::add(Item query, Item reference) {
  for (unsigned b = 0; b < 32; ++b) {
    query_ones_[b] += query >> b & 1U;
    reference_ones_[b] += reference >> b & 1U;
  }
  differing_bits_ += static_cast<uint64_t>(std::popcount(query ^ reference));
  ++item_count_;
}

Similarity Comparison::similarity() const {
  if (item_count_ == 0) return {};
  const double items = item_count_;
  double chance_bits = 0;
  for (std::size_t b = 0; b < 32; ++b) {
    const double query = query_ones_[b] / items;
    const double reference = reference_ones_[b] / items;
    chance_bits += query * (1 - reference) + (1 - query) * reference;
  }
  Similarity similarity;
  similarity.bit_error_rate = static_cast<double>(differing_bits_) / (items * 32);
  similarity.chance = chance_bits / 32;
  // Two constant stretches: equal or not, nothing is proved.
  if (similarity.chance > 0) similarity.score = 1 - similarity.bit_error_rate / similarity.chance;
  return similarity;
}

}  // namespace soundgate
