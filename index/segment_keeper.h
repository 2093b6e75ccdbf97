// Keeps the segments in shape behind the writers' backs: seals what has piled up in memory into
// files, merges files, and makes damaged ones again of the catalogue. search/merge_plan.h says what
// is next.
// Nothing waits for it: a merge is built from segments that do not change, and takes their place in
// the newest snapshot when it is whole and on disk.
// Errors: become complaints; what failed is tried again a minute later.
// Thread: one of its own, from start() on; complaints() from any.
#pragma once

#include <atomic>
#include <condition_variable>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "index/search/merge_plan.h"
#include "index/search/segment_store.h"
#include "index/search/snapshot.h"

namespace soundgate {

class SegmentKeeper {
 public:
  // Changes a copy of the newest snapshot, and publishes it where `edit` says so; in the order of
  // the writes.
  using Edit = std::function<bool(Snapshot&)>;
  using Change = std::function<void(const Edit& edit)>;
  using Read = std::function<IndexResult<std::vector<Item>>(Slot)>;

  SegmentKeeper(SegmentStore store, Change change, Read read)
      : store_(std::move(store)), change_(std::move(change)), read_(std::move(read)) {}
  ~SegmentKeeper();  // stops, in the middle of a merge too

  void start();
  void wake() { wake_.notify_one(); }
  // The next thing to do, if there is one; false also where it failed.
  bool work();

  void complain(std::string what);
  struct Complaints {
    int64_t count = 0;
    std::vector<std::string> newest;  // at most kComplaintsMax
  };
  Complaints complaints() const;

 private:
  struct Job {
    MergePlan plan;
    std::shared_ptr<const Snapshot> snapshot;
    std::vector<std::shared_ptr<const Segment>> parts;
  };
  using Made = std::vector<std::shared_ptr<const Segment>>;

  void run();
  bool next(Job& job);
  void replace(const Job& job, const Made& made);
  IndexResult<Made> do_job(const Job& job);
  IndexResult<Made> merge(const Job& job);
  IndexResult<Made> rebuild(const Job& job);

  SegmentStore store_;
  Change change_;
  Read read_;

  mutable std::mutex mutex_;  // of what follows
  std::condition_variable wake_;
  Complaints complaints_;
  std::atomic<bool> stopped_ = false;  // read without it, too

  std::thread thread_;
};

}  // namespace soundgate
