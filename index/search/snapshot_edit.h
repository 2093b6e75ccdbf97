// Changes to a copy of a snapshot, before it is published.
// Cost: a reference added is merged with the newest segments like a carry in binary counting, so
//   that n references make O(log n) segments and each window is copied O(log n) times in all.
// Thread: the writer.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <vector>

#include "index/search/snapshot.h"

namespace soundgate {

struct PlacedReference {
  Slot slot;
  ReferenceEntry entry;
  SharedItems items;
};
// At slots of their own, in order. Their windows are counted here.
void place_references(Snapshot& snapshot, std::vector<PlacedReference> references);
// One whose windows are in a segment already.
void place_sealed(Snapshot& snapshot, Slot slot, ReferenceEntry entry);

// The same at the next slots, the first of which is returned; the entries hold their items.
Slot add_references(Snapshot& snapshot, std::vector<ReferenceEntry> entries);
Slot add_reference(Snapshot& snapshot, ReferenceEntry entry);
// Its windows stay behind until their segment is merged; nothing that is found in them counts.
void remove_reference(Snapshot& snapshot, Slot slot);
void set_suppression(Snapshot& snapshot, Slot slot, std::optional<Suppression> suppression);

}  // namespace soundgate
