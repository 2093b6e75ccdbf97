// Items of references, read when they are wanted; those lately used stay in memory.
// Bounded: kItemCacheBytes, and what the reader is just handing over.
// Thread: any.
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <list>
#include <mutex>
#include <unordered_map>
#include <utility>

#include "index/index.h"
#include "index/search/reference_items.h"

namespace soundgate {

class ItemCache final : public ItemSource {
 public:
  using Read = std::function<IndexResult<BandedItems>(uint32_t slot)>;

  explicit ItemCache(Read read) : read_(std::move(read)) {}

  SharedItems items(uint32_t slot) const override;
  // Reads that failed, of references that are there: damage, or a disk that does not answer.
  int64_t failure_count() const { return failures_; }

 private:
  using Entry = std::pair<uint32_t, SharedItems>;

  SharedItems find(uint32_t slot) const;
  void keep(uint32_t slot, SharedItems items) const;

  Read read_;
  mutable std::atomic<int64_t> failures_ = 0;
  mutable std::mutex mutex_;          // of what follows
  mutable std::list<Entry> entries_;  // the one used last comes first
  mutable std::unordered_map<uint32_t, std::list<Entry>::iterator> places_;
  mutable size_t bytes_ = 0;
};

}  // namespace soundgate
