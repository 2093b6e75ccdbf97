#include "dataplane/gate/upload_table.h"

#include <numeric>
#include <utility>

namespace soundgate {

// A key: 8 bits lcore, 40 bits count, 16 bits slot.
UploadTable::UploadTable(size_t count, unsigned lcore_index)
    : uploads_(count), live_(count), place_of_(count), lcore_bits_(uint64_t{lcore_index} << 56) {
  std::iota(live_.begin(), live_.end(), uint16_t{0});
  std::iota(place_of_.begin(), place_of_.end(), uint16_t{0});
}

UploadKey UploadTable::next_key(uint16_t slot) {
  return UploadKey{lcore_bits_ | (++keys_made_ & 0xFF'FFFF'FFFF) << 16 | slot};
}

uint16_t UploadTable::take() {
  if (live_count_ == live_.size()) return kNone;
  const uint16_t slot = live_[live_count_++];
  uploads_[slot] = Upload{};
  uploads_[slot].key = next_key(slot);
  return slot;
}

void UploadTable::give(uint16_t slot) {
  uploads_[slot].phase = UploadPhase::kFree;
  uploads_[slot].key = UploadKey{};
  const uint16_t place = place_of_[slot];
  const uint16_t last = live_[--live_count_];
  std::swap(live_[place], live_[live_count_]);
  place_of_[last] = place;
  place_of_[slot] = static_cast<uint16_t>(live_count_);
}

uint16_t UploadTable::find(UploadKey key) const {
  const auto slot = static_cast<uint16_t>(static_cast<uint64_t>(key) & 0xFFFF);
  const bool names_one = key != UploadKey{} && slot < uploads_.size();
  return names_one && uploads_[slot].key == key ? slot : kNone;
}

}  // namespace soundgate
