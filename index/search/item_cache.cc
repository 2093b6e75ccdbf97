#include "index/search/item_cache.h"

#include <memory>

#include "index/limits.h"

namespace soundgate {
namespace {

size_t bytes_of(const SharedItems& items) { return items->all().size_bytes(); }

}  // namespace

SharedItems ItemCache::items(uint32_t slot) const {
  if (SharedItems found = find(slot)) return found;
  auto read = read_(slot);
  if (!read) {
    if (read.error().kind != IndexError::Kind::kNotFound) ++failures_;
    return nullptr;
  }
  auto items = std::make_shared<const BandedItems>(std::move(*read));
  keep(slot, items);
  return items;
}

SharedItems ItemCache::find(uint32_t slot) const {
  const std::lock_guard lock(mutex_);
  const auto place = places_.find(slot);
  if (place == places_.end()) return nullptr;
  entries_.splice(entries_.begin(), entries_, place->second);
  return place->second->second;
}

void ItemCache::keep(uint32_t slot, SharedItems items) const {
  const std::lock_guard lock(mutex_);
  if (places_.contains(slot)) return;  // somebody else was quicker
  bytes_ += bytes_of(items);
  entries_.emplace_front(slot, std::move(items));
  places_[slot] = entries_.begin();
  while (bytes_ > kItemCacheBytes && entries_.size() > 1) {
    bytes_ -= bytes_of(entries_.back().second);
    places_.erase(entries_.back().first);
    entries_.pop_back();
  }
}

}  // namespace soundgate
