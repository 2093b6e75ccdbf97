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
constexpr size_t kRebuildReferences = 2048;  // whose windows are in memory at a time

struct Stopped {};

size_t live_windows(const Snapshot& snapshot) {
  return static_cast<size_t>(std::max<int64_t>(0, snapshot.status.window_count));
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

void SegmentKeeper::run() {
  std::unique_lock lock(mutex_);
  while (!stopped_) {
    wake_.wait_for(lock, kLookEvery);
    if (stopped_) return;
    lock.unlock();
    try {
      while (work()) {
      }
    } catch (const Stopped&) {
      return;
    }
    lock.lock();
  }
}

bool SegmentKeeper::work() {
  Job job;
  if (!next(job)) return false;
  auto made = do_job(job);
  if (!made) {
    complain(made.error().message);
    replace(job, job.parts);
    std::unique_lock lock(mutex_);
    wake_.wait_for(lock, kRetryAfter, [&] { return stopped_.load(); });
    return false;
  }
  replace(job, *made);
  if (*made == job.parts) return true;
  for (const auto& part : job.parts) store_.remove(*part);
  return true;
}

IndexResult<SegmentKeeper::Made> SegmentKeeper::do_job(const Job& job) try {
  return job.plan.rebuild ? rebuild(job) : merge(job);
} catch (const std::bad_alloc&) {
  return tl::unexpected(IndexError{IndexError::Kind::kInputOutput,
                                   "merging segments needs more memory than there is"});
}

// From here on until replace(), nobody else touches the segments before plan.end.
bool SegmentKeeper::next(Job& job) {
  bool found = false;
  change_([&](Snapshot& snapshot) {
    const auto plan = plan_merge(sizes_of(snapshot), live_windows(snapshot));
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
  change_([&](Snapshot& snapshot) {
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
    if (stopped_) throw Stopped();
    return job.snapshot->references.at(slot) != nullptr;
  };
  auto written = store_.write(job.parts, is_live);
  if (!written) return tl::unexpected(std::move(written.error()));
  // What a damaged part has lost would be lost for good: that one is made again first.
  const bool damaged =
      std::ranges::any_of(job.parts, [](const auto& part) { return part->image().is_damaged(); });
  if (!damaged && (*written)->window_count() > 0) return Made{std::move(*written)};
  store_.remove(**written);
  return damaged ? job.parts : Made{};
}

IndexResult<SegmentKeeper::Made> SegmentKeeper::rebuild(const Job& job) {
  complain("segment " + job.parts[0]->image().path().string() +
           " is damaged: it is made again of the catalogue");
  const auto all = [](Slot) { return true; };
  Made made;
  std::vector<std::pair<SlotInfo, std::vector<Item>>> batch;
  const auto flush = [&]() -> IndexResult<void> {
    std::vector<SlotItems> references;
    for (const auto& [info, items] : batch) {
      references.push_back({info.slot, items, info.enrolled_ms});
    }
    const std::shared_ptr<const Segment> parts[] = {std::make_shared<const Segment>(references)};
    batch.clear();
    if (parts[0]->window_count() == 0) return {};
    auto written = store_.write(parts, all);
    if (!written) return tl::unexpected(std::move(written.error()));
    made.push_back(std::move(*written));
    return {};
  };
  for (const SlotInfo& info : job.parts[0]->slots()) {
    if (job.snapshot->references.at(info.slot) == nullptr) continue;
    if (stopped_) throw Stopped();
    auto items = read_(info.slot);
    // A disk that does not answer now: what is left out here would not be found any more.
    if (!items && items.error().kind == IndexError::Kind::kInputOutput) {
      return tl::unexpected(std::move(items.error()));
    }
    if (!items && items.error().kind != IndexError::Kind::kNotFound)
      complain(items.error().message);
    if (items) batch.emplace_back(info, std::move(*items));
    if (batch.size() < kRebuildReferences) continue;
    if (auto flushed = flush(); !flushed) return tl::unexpected(std::move(flushed.error()));
  }
  if (auto flushed = flush(); !flushed) return tl::unexpected(std::move(flushed.error()));
  return made;
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
