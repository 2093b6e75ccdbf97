#include "index/segment_keeper.h"

#include <algorithm>
#include <chrono>
#include <new>
#include <utility>

#include "index/limits.h"

namespace soundgate {
namespace {

using std::chrono::seconds;

constexpr seconds kLookEvery{1};  // for damage that a search has met
constexpr seconds kRetryAfter{60};
constexpr std::chrono::milliseconds kBetweenBits{20};  // writers come between
constexpr size_t kRebuildReferences = 2048;            // whose windows are in memory at a time

struct Stopped {};

size_t live_windows(const Snapshot& snapshot) {
  return static_cast<size_t>(std::max<int64_t>(0, snapshot.status.window_count));
}

bool is_damaged(const std::shared_ptr<const Segment>& segment) {
  return segment->image().is_damaged();
}

std::vector<SegmentSize> sizes_of(const Snapshot& snapshot) {
  std::vector<SegmentSize> sizes;
  for (const auto& segment : snapshot.segments) {
    sizes.push_back({segment->window_count(), segment->is_file(), segment->image().is_damaged()});
  }
  return sizes;
}

}  // namespace

SegmentKeeper::~SegmentKeeper() {
  {
    const std::lock_guard lock(mutex_);
    stopped_ = true;
  }
  wake_.notify_one();
  if (thread_.joinable()) thread_.join();
}

void SegmentKeeper::start() {
  thread_ = std::thread([this] { run(); });
}

void SegmentKeeper::run() try {
  Step last = Step::kNothing;
  for (;;) {
    {
      std::unique_lock lock(mutex_);
      if (last == Step::kFailed) wake_.wait_for(lock, kRetryAfter, [&] { return stopped_.load(); });
      if (last != Step::kFailed && !stopped_) wake_.wait_for(lock, kLookEvery);
      if (stopped_) return;
    }
    while ((last = step()) == Step::kDone) {
    }
    while (hooks_.idle && hooks_.idle()) {
      std::unique_lock lock(mutex_);
      wake_.wait_for(lock, kBetweenBits, [&] { return stopped_.load(); });
      if (stopped_) return;
    }
  }
} catch (const Stopped&) {
}

SegmentKeeper::Step SegmentKeeper::step() {
  const std::lock_guard working(work_mutex_);
  Job job;
  if (!next(job)) return Step::kNothing;
  return finish(job) ? Step::kDone : Step::kFailed;
}

IndexResult<void> SegmentKeeper::finish(const Job& job) {
  auto made = do_job(job);
  if (!made) {
    complain(made.error().message);
    replace(job, job.parts);
    return tl::unexpected(std::move(made.error()));
  }
  replace(job, *made);
  if (*made == job.parts) return {};
  for (const auto& part : job.parts) store_.remove(*part);
  if (hooks_.merged) hooks_.merged();
  return {};
}

IndexResult<void> SegmentKeeper::merge_all() {
  return rebuild_damaged().and_then([&] { return work_at_once(true); });
}

IndexResult<void> SegmentKeeper::rebuild_damaged() { return work_at_once(false); }

IndexResult<void> SegmentKeeper::work_at_once(bool everything) {
  const std::lock_guard working(work_mutex_);
  at_once_ = true;
  IndexResult<void> done;
  Job job;
  try {
    for (bool more = true; more && done && next(job, everything);) {
      if (!everything && !job.plan.rebuild) break;
      done = finish(job);
      more = job.plan.rebuild || std::ranges::any_of(job.parts, is_damaged);
      job = {};
    }
  } catch (const Stopped&) {
    done = tl::unexpected(IndexError{IndexError::Kind::kConflict, "the index is being closed"});
  }
  if (!job.parts.empty()) replace(job, job.parts);  // it was not to be done now, or not to its end
  at_once_ = false;
  return done;
}

void SegmentKeeper::throw_if_stopped() const {
  if (stopped_ || (at_once_ && long_work_stopped_)) throw Stopped();
}

IndexResult<SegmentKeeper::Made> SegmentKeeper::do_job(const Job& job) try {
  return job.plan.rebuild ? rebuild(job) : merge(job);
} catch (const std::bad_alloc&) {
  return tl::unexpected(IndexError{IndexError::Kind::kInputOutput,
                                   "merging segments needs more memory than there is"});
}

// From here on until replace(), nobody else touches the segments before plan.end.
bool SegmentKeeper::next(Job& job, bool everything) {
  bool found = false;
  hooks_.change([&](Snapshot& snapshot) {
    const auto plan = everything ? plan_merge_of_all(sizes_of(snapshot), live_windows(snapshot))
                                 : plan_merge(sizes_of(snapshot), live_windows(snapshot));
    if (!plan) return false;
    found = true;
    job.plan = *plan;
    snapshot.frozen_segments = plan->end;
    job.snapshot = std::make_shared<const Snapshot>(snapshot);
    const auto parts = std::span(snapshot.segments).subspan(plan->begin, plan->end - plan->begin);
    job.parts.assign(parts.begin(), parts.end());
    return true;
  });
  return found;
}

void SegmentKeeper::replace(const Job& job, const Made& made) {
  hooks_.change([&](Snapshot& snapshot) {
    auto& segments = snapshot.segments;
    const auto begin = segments.begin() + static_cast<ptrdiff_t>(job.plan.begin);
    const auto end = segments.begin() + static_cast<ptrdiff_t>(job.plan.end);
    segments.insert(segments.erase(begin, end), made.begin(), made.end());
    snapshot.frozen_segments = 0;
    return true;
  });
}

IndexResult<SegmentKeeper::Made> SegmentKeeper::merge(const Job& job) {
  const auto is_live = [&](Slot slot) {
    throw_if_stopped();
    return job.snapshot->references.at(slot) != nullptr;
  };
  auto written = store_.write(job.parts, is_live);
  if (!written) return tl::unexpected(std::move(written.error()));
  // What a damaged part has lost would be lost for good: that one is made again first.
  const bool damaged = std::ranges::any_of(job.parts, is_damaged);
  if (!damaged && (*written)->window_count() > 0) return Made{std::move(*written)};
  store_.remove(**written);
  return damaged ? job.parts : Made{};
}

IndexResult<SegmentKeeper::Made> SegmentKeeper::rebuild(const Job& job) {
  complain("segment " + job.parts[0]->image().path().string() +
           " is damaged: it is made again of the catalogue");
  Made made;
  auto rebuilt = [&]() -> IndexResult<void> {
    try {
      return rebuild_into(job, made);
    } catch (...) {  // told to stop, or out of memory
      for (const auto& part : made) store_.remove(*part);
      throw;
    }
  }();
  if (rebuilt) return made;
  for (const auto& part : made) store_.remove(*part);  // all of it is made again later
  return tl::unexpected(std::move(rebuilt.error()));
}

IndexResult<void> SegmentKeeper::rebuild_into(const Job& job, Made& made) {
  std::vector<std::pair<SlotInfo, BandedItems>> batch;
  for (const SlotInfo& info : job.parts[0]->slots()) {
    if (job.snapshot->references.at(info.slot) == nullptr) continue;
    throw_if_stopped();
    auto items = hooks_.read(info.slot);
    // A disk that does not answer now: what is left out here would not be found any more.
    if (!items && items.error().kind == IndexError::Kind::kInputOutput) {
      return tl::unexpected(std::move(items.error()));
    }
    if (!items && items.error().kind != IndexError::Kind::kNotFound)
      complain(items.error().message);
    if (items) batch.emplace_back(info, std::move(*items));
    if (batch.size() < kRebuildReferences) continue;
    if (auto written = write(batch, made); !written) return written;
    batch.clear();
  }
  return write(batch, made);
}

IndexResult<void> SegmentKeeper::write(std::span<const std::pair<SlotInfo, BandedItems>> batch,
                                       Made& made) {
  std::vector<SlotItems> references;
  for (const auto& [info, items] : batch) {
    references.push_back({info.slot, &items, info.enrolled_ms});
  }
  const std::shared_ptr<const Segment> parts[] = {std::make_shared<const Segment>(references)};
  if (parts[0]->window_count() == 0) return {};
  auto written = store_.write(parts, [](Slot) { return true; });
  if (!written) return tl::unexpected(std::move(written.error()));
  made.push_back(std::move(*written));
  return {};
}

void SegmentKeeper::complain(std::string what) {
  const std::lock_guard lock(mutex_);
  auto& newest = complaints_.newest;
  if (newest.size() == kComplaintsMax) newest.erase(newest.begin());
  newest.push_back(std::move(what));
  ++complaints_.count;
}

SegmentKeeper::Complaints SegmentKeeper::complaints() const {
  const std::lock_guard lock(mutex_);
  return complaints_;
}

}  // namespace soundgate
