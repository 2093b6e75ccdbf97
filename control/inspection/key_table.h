// Finds the open upload of a key. Open addressing, linear probing, no tombstones.
// Thread: one.  Memory: fixed; holds at most half of what it has room for, so probes stay short.
#pragma once

#include <array>
#include <cstdint>
#include <memory>

#include "control/limits.h"
#include "dataplane/upload.h"

namespace soundgate {

class KeyTable {
 public:
  static constexpr uint16_t kNone = 0xffff;
  static_assert(kUploadSlotsPerLcore < kNone);

  KeyTable() : entries_(std::make_unique<Entry[]>(kEntries)) {}

  uint16_t find(UploadKey key) const {
    for (size_t i = home(key); entries_[i].value != kNone; i = next(i)) {
      if (entries_[i].key == key) return entries_[i].value;
    }
    return kNone;
  }

  void insert(UploadKey key, uint16_t value) {  // the key must not be there
    size_t i = home(key);
    while (entries_[i].value != kNone) i = next(i);
    entries_[i] = {key, value};
  }

  void erase(UploadKey key) {
    size_t hole = home(key);
    while (entries_[hole].value != kNone && entries_[hole].key != key) hole = next(hole);
    if (entries_[hole].value == kNone) return;
    // Moves back every later entry whose probe would pass over the hole.
    for (size_t i = next(hole); entries_[i].value != kNone; i = next(i)) {
      if (((i - home(entries_[i].key)) & kMask) < ((i - hole) & kMask)) continue;
      entries_[hole] = entries_[i];
      hole = i;
    }
    entries_[hole] = {};
  }

 private:
  struct Entry {
    UploadKey key{};
    uint16_t value = kNone;
  };
  static constexpr size_t kEntries = 4 * kUploadSlotsPerLcore;
  static constexpr size_t kMask = kEntries - 1;
  static_assert((kEntries & kMask) == 0);

  static size_t home(UploadKey key) {
    return static_cast<size_t>(static_cast<uint64_t>(key) * 0x9e3779b97f4a7c15 >> 40) & kMask;
  }
  static size_t next(size_t i) { return (i + 1) & kMask; }

  std::unique_ptr<Entry[]> entries_;
};

}  // namespace soundgate
