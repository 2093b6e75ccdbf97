// Keeps the segments in shape behind the writers' backs: seals what has piled up in memory into
// files, merges files, and makes damaged ones again of the catalogue. search/merge_plan.h says what
// is next.
// merge_all() and rebuild_damaged() do the same at once, for who waits for them.
// Nothing else waits for it: a merge is built from segments that do not change, and takes their
// place in the newest snapshot when it is whole and on disk. Errors: become complaints; what failed
// is tried again a minute later. Thread: one of its own, from start() on; all but start() and the
// destructor from any. One job at a
//   time is worked at.
#pragma once

#include <atomic>
#include <condition_variable>
#include <functional>
#include <memory>
#include <mutex>
#include <span>
#include <string>
#include <thread>
#include <utility>
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
  using Read = std::function<IndexResult<BandedItems>(Slot)>;

  struct Hooks {
    Change change;
    Read read;
    std::function<void()> merged;  // after each change of segments
    std::function<bool()> idle;    // a bit of other work, now and then; true: there is more of it
  };
  SegmentKeeper(SegmentStore store, Hooks hooks)
      : hooks_(std::move(hooks)), store_(std::move(store)) {}
  ~SegmentKeeper();  // stops, in the middle of a merge too

  void start();
  void wake() { wake_.notify_one(); }
  // The next thing to do, if there is one; false also where it failed.
  bool work() { return step() == Step::kDone; }
  // Everything into one file; what is damaged is made again first. kConflict: told to stop.
  IndexResult<void> merge_all();
  IndexResult<void> rebuild_damaged();
  // Ends these two, from now on.
  void stop_long_work() { long_work_stopped_ = true; }

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

  enum class Step : uint8_t { kNothing, kDone, kFailed };

  void run();
  Step step();
  IndexResult<void> finish(const Job& job);
  bool next(Job& job, bool everything = false);
  IndexResult<void> work_at_once(bool everything);
  void throw_if_stopped() const;
  void replace(const Job& job, const Made& made);
  IndexResult<Made> do_job(const Job& job);
  IndexResult<Made> merge(const Job& job);
  IndexResult<Made> rebuild(const Job& job);
  IndexResult<void> rebuild_into(const Job& job, Made& made);
  IndexResult<void> write(std::span<const std::pair<SlotInfo, BandedItems>> batch,
                          Made& made);

  Hooks hooks_;
  std::mutex work_mutex_;  // of what follows: one job at a time
  SegmentStore store_;
  bool at_once_ = false;  // somebody waits for this job

  std::atomic<bool> long_work_stopped_ = false;
  mutable std::mutex mutex_;  // of what follows
  std::condition_variable wake_;
  Complaints complaints_;
  std::atomic<bool> stopped_ = false;  // read without it, too

  std::thread thread_;
};

}  // namespace soundgate
