#include "dataplane/flow/flow_table.h"

#include <bit>

namespace soundgate {

FlowTable::FlowTable(size_t count, const HashSeed& seed)
    : seed_(seed),
      mask_(std::bit_ceil(count) - 1),
      buckets_(std::bit_ceil(count), kNone),
      flows_(count) {}

void FlowTable::fetch_flow(uint64_t key_hash) const {
  const uint32_t index = buckets_[key_hash & mask_];
  if (index == kNone) return;
  constexpr size_t kCacheLineBytes = 64;
  const auto* line = reinterpret_cast<const std::byte*>(&flows_[index]);
  for (size_t at = 0; at < sizeof(Flow); at += kCacheLineBytes) __builtin_prefetch(line + at);
}

Flow* FlowTable::find(const FlowKey& key, uint64_t key_hash) {
  for (uint32_t index = buckets_[key_hash & mask_]; index != kNone; index = flows_[index].chain) {
    if (flows_[index].key == key) return &flows_[index];
  }
  return nullptr;
}

size_t FlowTable::chain_length(const FlowKey& key) {
  size_t length = 0;
  for (uint32_t index = bucket_of(key); index != kNone; index = flows_[index].chain) ++length;
  return length;
}

Flow* FlowTable::insert(const FlowKey& key) {
  uint32_t index = first_free_;
  if (index != kNone) {
    first_free_ = flows_[index].chain;
  } else if (touched_ < flows_.size()) {
    index = touched_++;
  } else {
    return nullptr;
  }
  Flow& flow = flows_[index];
  flow = Flow{};
  flow.key = key;
  uint32_t& bucket = bucket_of(key);
  flow.chain = bucket;
  bucket = index;
  return &flow;
}

void FlowTable::erase(Flow& flow) {
  const uint32_t index = index_of(flow);
  uint32_t* link = &bucket_of(flow.key);
  while (*link != index) link = &flows_[*link].chain;
  *link = flow.chain;
  flow.phase = FlowPhase::kFree;
  flow.chain = first_free_;
  first_free_ = index;
}

}  // namespace soundgate
