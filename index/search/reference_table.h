// What is known of each reference, by slot: a persistent table. A copy shares its contents; a
// change copies one chunk of 256 pointers, so that a snapshot of a million references costs a
// change 32 KB, not all of it.
// Thread: a const table, any. A table is changed by one thread, its copies unharmed.
#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <vector>

#include "index/index.h"
#include "index/search/reference_items.h"
#include "index/search/segment.h"

namespace soundgate {

// Immutable once it is in a table.
struct ReferenceEntry {
  int64_t bank_id = 0;
  Reference reference;
  ReferenceItems items;
  size_t window_count = 0;  // in the segments
  int64_t added_ms = 0;     // since 1970, of its row: tells it from another that got its slot
};

// Since 1970.
int64_t enrolled_ms(const Reference& reference);

class ReferenceTable {
 public:
  // nullptr where the slot is free: never taken, or removed.
  const ReferenceEntry* at(Slot slot) const;
  std::shared_ptr<const ReferenceEntry> share(Slot slot) const;
  // nullptr removes.
  void set(Slot slot, std::shared_ptr<const ReferenceEntry> entry);
  Slot slot_end() const { return slot_end_; }  // past the last one ever taken

 private:
  static constexpr size_t kChunkSlots = 256;
  using Chunk = std::array<std::shared_ptr<const ReferenceEntry>, kChunkSlots>;

  // Shared with copies: written only when unique. nullptr where no slot is taken.
  std::vector<std::shared_ptr<Chunk>> chunks_;
  Slot slot_end_ = 0;
};

}  // namespace soundgate
