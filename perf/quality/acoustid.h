// AcoustID's method, as a baseline: what the open database of Chromaprint fingerprints does with a
// query. Written anew from its description and constants; not part of the product.
// Candidates: references that share exact items (their upper 28 bits) with the query.
// Score: the offset that most items agree on (upper 14 bits, the last place of each value), then
// the
//   bit errors at that offset, times the share of the shorter side that overlaps, lowered where a
//   side repeats itself.
// Source: acoustid-server (data/fingerprint.py) and pg_acoustid (acoustid_extract_query and
//   acoustid_compare2), as of 2014 to 2024.
#pragma once

#include <cstdint>
#include <span>
#include <unordered_map>
#include <vector>

#include "fingerprint/fingerprint.h"

namespace soundgate::quality {

class AcoustId {
 public:
  struct Options {
    // As deployed: 120 items from the 80th on are searched for, durations agree within 7 s, and
    // offsets within 80 items. Otherwise all items are, of both sides, whatever their lengths.
    bool as_deployed = true;
  };
  struct Match {
    size_t reference;
    double score;    // 0..1; AcoustID takes 0.4 and more for the same track
    int64_t offset;  // reference item - query item
  };

  explicit AcoustId(Options options) : options_(options) {}

  size_t add(
      std::span<const Item> items);  // the reference's number, from 0; the items must outlive us
  std::vector<Match> search(std::span<const Item> query) const;  // best first

 private:
  std::vector<Item> searched_items(std::span<const Item> items) const;
  bool may_match(std::span<const Item> query, std::span<const Item> reference) const;

  Options options_;
  std::vector<std::span<const Item>> references_;
  std::unordered_map<Item, std::vector<uint32_t>> postings_;
};

// The score of two fingerprints, and the offset (b's item - a's item) it was reached at.
AcoustId::Match acoustid_compare(std::span<const Item> a, std::span<const Item> b,
                                 int64_t offset_max);

}  // namespace soundgate::quality
