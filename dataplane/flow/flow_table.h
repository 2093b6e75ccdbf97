// The connections of one lcore, found by their key. Fixed in number; a keyed hash, so that nobody
// can choose connections that collide.
// Errors: a full table gives no entry.
// Thread: the owning lcore.  Memory: count × (sizeof(Flow) + 4), allocated once.
#pragma once

#include <cstdint>
#include <vector>

#include "dataplane/flow/flow.h"

namespace soundgate {

class FlowTable {
 public:
  static constexpr uint32_t kNone = UINT32_MAX;

  FlowTable(size_t count, const HashSeed& seed);

  uint64_t hash_of(const FlowKey& key) const { return hash(key, seed_); }

  // So that what find() will read is in the caches by then: first the one, then the other.
  void fetch_bucket(uint64_t key_hash) const { __builtin_prefetch(&buckets_[key_hash & mask_]); }
  void fetch_flow(uint64_t key_hash) const;

  Flow* find(const FlowKey& key) { return find(key, hash_of(key)); }
  Flow* find(const FlowKey& key, uint64_t key_hash);
  Flow* insert(const FlowKey& key);  // a fresh one; null when full. The key must not be there.
  // Its queues must be empty, and its head and upload given back.
  void erase(Flow& flow);

  // One entry after the other, round and round; of a full table.
  Flow& next_in_turn() {
    turn_ = turn_ + 1 < flows_.size() ? turn_ + 1 : 0;
    return flows_[turn_];
  }

  uint32_t index_of(const Flow& flow) const { return static_cast<uint32_t>(&flow - flows_.data()); }
  Flow& operator[](uint32_t index) { return flows_[index]; }
  uint32_t touched() const { return touched_; }  // entries from here on were never used
  bool full() const { return first_free_ == kNone && touched_ == flows_.size(); }
  size_t count() const { return flows_.size(); }
  // Of the entries that a search for this key may have to look at; for tests.
  size_t chain_length(const FlowKey& key);

 private:
  uint32_t& bucket_of(const FlowKey& key) { return buckets_[hash_of(key) & mask_]; }

  HashSeed seed_;
  uint64_t mask_;
  std::vector<uint32_t> buckets_;
  std::vector<Flow> flows_;
  uint32_t first_free_ = kNone;
  uint32_t touched_ = 0;
  uint32_t turn_ = 0;
};

}  // namespace soundgate
