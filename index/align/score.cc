#include "index/align/score.h"

#include <bit>
#include <cstddef>

#include "index/align/limits.h"

namespace soundgate {

void Comparison::Block::add(const Block& other) {
  for (std::size_t b = 0; b < 32; ++b) {
    query_ones[b] += other.query_ones[b];
    reference_ones[b] += other.reference_ones[b];
  }
  item_count += other.item_count;
}

double Comparison::Block::chance_bits() const {
  if (item_count == 0) return 0;
  const double items = item_count;
  double bits = 0;
  for (std::size_t b = 0; b < 32; ++b) {
    const double query = query_ones[b];
    const double reference = reference_ones[b];
    bits += query * (items - reference) + (items - query) * reference;
  }
  return bits / items;
}

// Half of what an alignment takes goes into this: processors that shift each of eight numbers by
// another count do it in a quarter of the time. (ThreadSanitizer would watch the choice, too early.)
#if !defined(__SANITIZE_THREAD__)
__attribute__((target_clones("arch=x86-64-v3", "default")))
#endif
void Comparison::add(Item query, Item reference) {
  if (open_.item_count == kScoreBlockItems) {
    closed_chance_bits_ += whole_.chance_bits();
    whole_ = open_;
    open_ = {};
  }
  for (unsigned b = 0; b < 32; ++b) {
    open_.query_ones[b] += query >> b & 1U;
    open_.reference_ones[b] += reference >> b & 1U;
  }
  if (item_count_ > 0) {
    changed_bits_ += static_cast<uint64_t>(std::popcount(query ^ last_query_) +
                                           std::popcount(reference ^ last_reference_));
  }
  last_query_ = query;
  last_reference_ = reference;
  ++open_.item_count;
  ++item_count_;
  differing_bits_ += static_cast<uint64_t>(std::popcount(query ^ reference));
}

Similarity Comparison::similarity() const {
  if (item_count_ == 0) return {};
  double chance_bits = closed_chance_bits_;
  if (open_.item_count < kScoreBlockItems / 2) {
    Block last = whole_;
    last.add(open_);
    chance_bits += last.chance_bits();
  } else {
    chance_bits += whole_.chance_bits() + open_.chance_bits();
  }
  const double bits = 32.0 * item_count_;
  Similarity similarity;
  similarity.bit_error_rate = static_cast<double>(differing_bits_) / bits;
  similarity.chance = chance_bits / bits;
  // Two constant stretches: equal or not, nothing is proved.
  if (chance_bits <= 0) return similarity;
  similarity.score = 1 - similarity.bit_error_rate / similarity.chance;
  similarity.changed_share = static_cast<double>(changed_bits_) / (2 * chance_bits);
  return similarity;
}

}  // namespace soundgate
