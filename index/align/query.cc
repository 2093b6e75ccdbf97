#include "index/align/query.h"

#include <algorithm>

#include "index/limits.h"

namespace soundgate {

void Query::append(uint32_t first_item, std::span<const Item> items) {
  if (items.empty() || first_item >= kItemsMax) return;
  const uint32_t come = size();
  if (first_item < come) {
    const uint32_t twice = come - first_item;
    if (twice >= items.size()) return;
    items = items.subspan(twice);
    first_item = come;
  }
  items = items.first(std::min<size_t>(items.size(), kItemsMax - first_item));
  if (first_item > come) {
    gaps_.push_back({come, first_item});
    items_.resize(first_item);
  }
  items_.insert(items_.end(), items.begin(), items.end());
  known_items_ += static_cast<uint32_t>(items.size());
}

bool Query::is_known(uint32_t begin, uint32_t end) const {
  if (end > size()) return false;
  const auto gap = std::ranges::upper_bound(gaps_, begin, {}, &Gap::end);
  return gap == gaps_.end() || gap->begin >= end;
}

}  // namespace soundgate
