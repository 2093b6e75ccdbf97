// The items of a reference: held in memory, or read when they are wanted.
// Thread: const; any.
#pragma once

#include <cstdint>
#include <memory>
#include <utility>

#include "index/banded_items.h"

namespace soundgate {

using SharedItems = std::shared_ptr<const BandedItems>;

class ItemSource {
 public:
  virtual ~ItemSource() = default;
  // nullptr: the reference has been removed, or its items cannot be read or are damaged.
  virtual SharedItems items(uint32_t slot) const = 0;
};

class ReferenceItems {
 public:
  ReferenceItems() = default;
  // Not explicit: what is held is what is meant.
  ReferenceItems(SharedItems held)  // NOLINT(google-explicit-constructor)
      : held_(std::move(held)), count_(static_cast<uint32_t>(held_->count())) {}
  ReferenceItems(std::shared_ptr<const ItemSource> source, uint32_t slot, uint32_t count)
      : source_(std::move(source)), slot_(slot), count_(count) {}

  uint32_t count() const { return count_; }  // of each band
  SharedItems load() const { return held_ || !source_ ? held_ : source_->items(slot_); }

 private:
  SharedItems held_;
  std::shared_ptr<const ItemSource> source_;
  uint32_t slot_ = 0;
  uint32_t count_ = 0;
};

}  // namespace soundgate
