// Fills memory from a store when it is opened: windows from the segment files, where they are whole
// and of this catalogue, and made of the items where they are not.
// Memory: where many references are in no file, what has been made of them is written to files on
// the
//   way, kLoadSealWindows at a time.
// Errors: the catalogue's and the segment store's.
// Thread: one; used once.
#pragma once

#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "index/catalogue/catalogue.h"
#include "index/catalogue/items_reader.h"
#include "index/enrolment.h"
#include "index/search/merge_plan.h"
#include "index/search/segment_store.h"
#include "index/search/snapshot.h"
#include "index/search/snapshot_edit.h"

namespace soundgate {

// 160 MB, that are sorted into lists at once: a million references without files make a hundred.
inline constexpr size_t kLoadSealWindows = 16 * kSealWindows;

inline constexpr size_t kLoadBatch = 64;  // references whose windows are made together

using ReferenceKey = std::pair<int64_t, std::string>;  // bank id and content id

struct LoadedIndex {
  std::shared_ptr<Snapshot> snapshot;
  std::map<ReferenceKey, Slot> slots;
  Suppressions suppressions;
  std::vector<std::string> damage;      // segment files that are made again
  std::vector<std::string> complaints;  // other troubles with segment files
};

class IndexLoader {
 public:
  // All outlive it; `items` is where the references will have theirs from.
  IndexLoader(Catalogue& catalogue, ItemsReader& reader, std::shared_ptr<const ItemSource> items,
              SegmentStore& store, size_t seal_windows = kLoadSealWindows,
              size_t batch = kLoadBatch)
      : catalogue_(catalogue),
        reader_(reader),
        items_(std::move(items)),
        store_(store),
        seal_windows_(seal_windows),
        batch_(batch) {}

  IndexResult<LoadedIndex> load();

 private:
  struct Unsealed {
    Slot slot;
    ReferenceEntry entry;
  };

  IndexResult<void> load_references(const SegmentStore::Segments& segments);
  IndexResult<void> load_unsealed();
  void seal();

  Catalogue& catalogue_;
  ItemsReader& reader_;
  std::shared_ptr<const ItemSource> items_;
  SegmentStore& store_;
  size_t
      seal_windows_;  // in memory, from which on they are sealed; too many where it cannot be done
  size_t batch_;

  LoadedIndex loaded_;
  std::vector<Unsealed> unsealed_;  // references whose windows are in no segment
  bool has_strangers_ = false;      // segments with slots that were another reference's
};

}  // namespace soundgate
