#include "dataplane/gate/resource_table.h"

#include <bit>
#include <numeric>

namespace soundgate {

ResourceTable::ResourceTable(size_t count, size_t seen_blocks, uint64_t secret)
    : resources_(count),
      free_(count),
      buckets_(std::bit_ceil(count), kNone),
      mask_(buckets_.size() - 1),
      seen_pool_(seen_blocks, secret) {
  std::iota(free_.begin(), free_.end(), uint16_t{0});
}

uint16_t ResourceTable::find(const ResourceKey& key) {
  if (!key.is_set()) return kNone;
  uint16_t index = bucket_of(key);
  while (index != kNone && resources_[index].keys.exact != key) index = resources_[index].chain;
  return index;
}

uint16_t ResourceTable::find(UploadKey upload) const {
  const auto low = static_cast<uint16_t>(static_cast<uint64_t>(upload) & 0xFFFF);
  if ((low & kKeyBit) == 0 || low == 0xFFFF) return kNone;
  const auto index = static_cast<uint16_t>(low & ~kKeyBit);
  return index < resources_.size() && resources_[index].upload == upload ? index : kNone;
}

uint16_t ResourceTable::take() {
  if (free_.empty()) return kNone;
  const uint16_t index = free_.back();
  free_.pop_back();
  resources_[index] = Resource{};
  return index;
}

void ResourceTable::give(uint16_t index) {
  set_busy(index);
  unlink_name(index);
  Resource& resource = resources_[index];
  resource.seen.clear(seen_pool_);
  resource = Resource{};
  free_.push_back(index);  // never beyond its capacity: it held them all
}

void ResourceTable::name(uint16_t index, const ResourceKeys& keys) {
  unlink_name(index);
  const uint16_t namesake = find(keys.exact);
  if (namesake != kNone) unlink_name(namesake);
  Resource& resource = resources_[index];
  resource.keys = keys;
  uint16_t& bucket = bucket_of(keys.exact);
  resource.chain = bucket;
  bucket = index;
}

void ResourceTable::unlink_name(uint16_t index) {
  Resource& resource = resources_[index];
  if (!resource.keys.exact.is_set()) return;
  uint16_t* link = &bucket_of(resource.keys.exact);
  while (*link != index) link = &resources_[*link].chain;
  *link = resource.chain;
  resource.keys = {};
  resource.chain = kNone;
}

void ResourceTable::set_idle(uint16_t index, Tick now) {
  set_busy(index);
  Resource& resource = resources_[index];
  resource.is_idle = true;
  resource.idle_since = now;
  resource.older = newest_;
  (newest_ == kNone ? oldest_ : resources_[newest_].newer) = index;
  newest_ = index;
  if (is_open_idle(resource)) ++open_idle_;
}

void ResourceTable::set_busy(uint16_t index) {
  Resource& resource = resources_[index];
  if (!resource.is_idle) return;
  if (is_open_idle(resource)) --open_idle_;
  (resource.older == kNone ? oldest_ : resources_[resource.older].newer) = resource.newer;
  (resource.newer == kNone ? newest_ : resources_[resource.newer].older) = resource.older;
  resource.older = resource.newer = kNone;
  resource.is_idle = false;
}

void ResourceTable::set_phase(uint16_t index, ResourcePhase phase) {
  Resource& resource = resources_[index];
  if (is_open_idle(resource)) --open_idle_;
  resource.phase = phase;
  if (is_open_idle(resource)) ++open_idle_;
}

}  // namespace soundgate
