// The items of one upload, as far as they have come, with what is missing marked.
// Bounded: kItemsMax; what lies beyond is dropped. Of what comes twice, the first counts.
// Thread: the session's.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "fingerprint/fingerprint.h"

namespace soundgate {

class Query {
 public:
  void append(uint32_t first_item, std::span<const Item> items);

  uint32_t size() const { return static_cast<uint32_t>(items_.size()); }
  std::span<const Item> items() const { return items_; }
  double known_seconds() const { return known_items_ * kItemSeconds; }  // that have come
  // Whether all of the items [begin, end) have come.
  bool is_known(uint32_t begin, uint32_t end) const;
  bool is_known(uint32_t item) const { return is_known(item, item + 1); }

 private:
  struct Gap {
    uint32_t begin, end;  // in items
  };

  std::vector<Item> items_;  // gaps are filled with zeroes
  std::vector<Gap> gaps_;    // by begin, disjoint
  uint32_t known_items_ = 0;
};

}  // namespace soundgate
