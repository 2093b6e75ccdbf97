#include "index/search/reference_table.h"

#include <algorithm>

namespace soundgate {

int64_t enrolled_ms(const Reference& reference) {
  const auto time = reference.enrolled.time_since_epoch();
  return std::chrono::duration_cast<std::chrono::milliseconds>(time).count();
}

const ReferenceEntry* ReferenceTable::at(Slot slot) const {
  if (slot >= slot_end_ || !chunks_[slot / kChunkSlots]) return nullptr;
  return (*chunks_[slot / kChunkSlots])[slot % kChunkSlots].get();
}

std::shared_ptr<const ReferenceEntry> ReferenceTable::share(Slot slot) const {
  if (slot >= slot_end_ || !chunks_[slot / kChunkSlots]) return nullptr;
  return (*chunks_[slot / kChunkSlots])[slot % kChunkSlots];
}

void ReferenceTable::set(Slot slot, std::shared_ptr<const ReferenceEntry> entry) {
  if (slot / kChunkSlots >= chunks_.size()) chunks_.resize(slot / kChunkSlots + 1);
  std::shared_ptr<Chunk>& chunk = chunks_[slot / kChunkSlots];
  if (!chunk) chunk = std::make_shared<Chunk>();
  // A snapshot that is out holds its chunks while a copy of it is changed: one that only we hold is
  // new, and nobody has ever read it.
  if (chunk.use_count() > 1) chunk = std::make_shared<Chunk>(*chunk);
  (*chunk)[slot % kChunkSlots] = std::move(entry);
  slot_end_ = std::max(slot_end_, slot + 1);
}

}  // namespace soundgate
