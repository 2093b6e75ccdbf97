// One version of the index in memory: what a search sees.
// Thread: immutable; any. SnapshotCell hands the newest one from the writer to the readers.
#pragma once

#include <chrono>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string_view>
#include <vector>

#include "index/bank.h"
#include "index/index.h"
#include "index/search/reference_table.h"
#include "index/search/segment.h"

namespace soundgate {

struct Snapshot {
  IndexStatus status;
  std::map<int64_t, Bank> banks;  // by id
  ReferenceTable references;
  std::vector<std::shared_ptr<const Segment>> segments;  // files first
  size_t frozen_segments = 0;  // the first ones, which the keeper is just replacing
};

// A mutex about one pointer copy: std::atomic<std::shared_ptr> is a lock too in libstdc++ 12, and
// one that ThreadSanitizer cannot see.
class SnapshotCell {
 public:
  std::shared_ptr<const Snapshot> get() const {
    const std::lock_guard lock(mutex_);
    return newest_;
  }
  void set(std::shared_ptr<const Snapshot> snapshot) {
    const std::lock_guard lock(mutex_);
    newest_.swap(snapshot);  // the old one, if it was the last, is freed outside the lock
  }

 private:
  mutable std::mutex mutex_;
  std::shared_ptr<const Snapshot> newest_ = std::make_shared<Snapshot>();
};

// nullptr: there is none of this name.
const Bank* find_bank(const Snapshot& snapshot, std::string_view name);

// Whether the slot has a reference, in a bank that is not paused.
bool is_live(const Snapshot& snapshot, Slot slot);

// Whether there is a suppression, and its time is not over.
bool is_in_force(const std::optional<Suppression>& suppression,
                 std::chrono::system_clock::time_point now);

}  // namespace soundgate
