#include "index/align/matcher.h"

#include <algorithm>
#include <chrono>
#include <iterator>
#include <set>
#include <utility>

#include "index/align/limits.h"
#include "index/limits.h"
#include "index/search/tuning.h"

namespace soundgate {
namespace {

uint32_t stride_at(uint32_t item) { return item < kFirstItems ? kFirstQueryStride : kQueryStride; }

static_assert(kFirstItems % (kEarlyBatchWindows * kFirstQueryStride) == 0);

// The windows of one search start in [begin, batch_end(begin)). At first few, for early looks.
uint32_t batch_end(uint32_t begin) {
  const size_t windows = begin < kFirstItems ? kEarlyBatchWindows : kSearchBatchWindows;
  return begin + static_cast<uint32_t>(windows) * stride_at(begin);
}

// The informative windows that start at begin, begin + stride, … before end.
QueryWindows windows_of(const Query& query, uint32_t begin, uint32_t end, uint32_t stride) {
  QueryWindows windows;
  for (uint32_t first = begin; first < end; first += stride) {
    if (!query.is_known(first, first + kWindowItems)) continue;
    const WindowItems items = query.items().subspan(first).first<kWindowItems>();
    if (!is_informative(items)) continue;
    windows.windows.push_back(pack_window(items));
    windows.items.push_back(first);
  }
  return windows;
}

// Windows that reach beyond the ends of a clip, where it is so short that none inside it may begin
// where one of the reference's does. Items change slowly: those at the ends stand for what is
// missing, and half of their bits are right.
QueryWindows windows_beyond(const Query& query) {
  const std::span<const Item> items = query.items();
  const std::vector<Item> before(kEdgeItems, items.front()), after(kEdgeItems, items.back());
  Query longer;
  longer.append(0, before);
  longer.append(longer.size(), items);
  longer.append(longer.size(), after);
  return windows_of(longer, 0, longer.size(), 1);
}

// Where the clip itself begins.
void shift_back(std::vector<WindowHit>& hits) {
  for (WindowHit& hit : hits) {
    const uint32_t into = std::min(hit.query_item, kEdgeItems);
    hit.query_item -= into;
    hit.reference_item += kEdgeItems - into;
  }
}

// Of what was paused nothing has been looked for.
std::set<int64_t> resumed_banks(const Snapshot& before, const Snapshot& now) {
  std::set<int64_t> resumed;
  for (const auto& [id, bank] : before.banks) {
    const auto found = now.banks.find(id);
    if (bank.paused && found != now.banks.end() && !found->second.paused) resumed.insert(id);
  }
  return resumed;
}

}  // namespace

Matcher::Matcher(std::shared_ptr<const Snapshot> snapshot, Band band)
    : snapshot_(std::move(snapshot)), band_(band) {}

void Matcher::append(std::shared_ptr<const Snapshot> newest, uint32_t first_item,
                     std::span<const Item> items) {
  adopt(std::move(newest));
  query_.append(first_item, items);
  while (batch_end(searched_end_) + kWindowItems <= query_.size()) {
    leading_hits_.clear();
    newest_hits_.clear();
    search(searched_end_, batch_end(searched_end_), stride_at(searched_end_), live());
    searched_end_ = batch_end(searched_end_);
  }
}

std::vector<Candidate> Matcher::take_candidates(std::shared_ptr<const Snapshot> newest) {
  adopt(std::move(newest));
  search(searched_end_, query_.size(), stride_at(searched_end_), live());
  return candidates_.take();
}

std::vector<Candidate> Matcher::take_candidates_of_close_search(size_t compared_windows) {
  if (query_.size() >= kShortItems) return {};
  const bool is_clip = query_.size() < kReferenceStride + kWindowItems - 1 &&
                       query_.is_known(0, query_.size()) && query_.size() > 0;
  const uint32_t stride = query_.size() < kFirstItems ? 1 : kFirstQueryStride;
  const QueryWindows windows =
      is_clip ? windows_beyond(query_) : windows_of(query_, 0, query_.size(), stride);
  if (windows.windows.empty()) return {};
  const size_t compared = 1 + compared_windows / windows.windows.size();
  std::vector<WindowHit> hits =
      hits_of(windows, {.band = band_, .compared_windows = compared}, live());
  if (is_clip) shift_back(hits);
  candidates_.add(hits);
  return candidates_.take();
}

void Matcher::search_stricter(Action action) {
  stricter_than_ = action;
  search_again(live(), 0);
}

std::vector<Candidate> Matcher::take_leading() {
  Candidates leading;
  leading.add(leading_hits_);
  leading_hits_.clear();
  return leading.take();
}

std::vector<Candidate> Matcher::search_what_has_come(std::shared_ptr<const Snapshot> newest) {
  adopt(std::move(newest));
  if (searched_end_ + kWindowItems <= query_.size()) {
    const uint32_t windows = (query_.size() - kWindowItems - searched_end_) / kFirstQueryStride + 1;
    if (windows >= kPromptWindows) {
      leading_hits_.clear();
      const uint32_t end = searched_end_ + windows * kFirstQueryStride;
      search(searched_end_, end, kFirstQueryStride, live());
      searched_end_ = end;
    }
  }
  Candidates newest_ones;
  newest_ones.add(newest_hits_);
  newest_hits_.clear();
  return newest_ones.take();
}

// Slots are given in order, so what is new to us has slots past those we know.
void Matcher::adopt(std::shared_ptr<const Snapshot> newest) {
  if (newest == snapshot_) return;
  const Slot slot_begin = snapshot_->references.slot_end();
  const std::set<int64_t> resumed = resumed_banks(*snapshot_, *newest);
  snapshot_ = std::move(newest);
  if (!resumed.empty()) {
    search_again(
        [&](Slot slot) {
          return slot < slot_begin && is_live(*snapshot_, slot) &&
                 resumed.contains(snapshot_->references.at(slot)->bank_id);
        },
        0);
  }
  if (snapshot_->references.slot_end() > slot_begin) search_again(live(), slot_begin);
}

void Matcher::search_again(const Segment::IsLive& is_wanted, Slot slot_begin) {
  for (uint32_t begin = 0; begin < searched_end_; begin = batch_end(begin)) {
    search(begin, batch_end(begin), stride_at(begin), is_wanted, slot_begin);
  }
}

// What is suppressed now takes the place of nothing. Restored, it is looked for from then on.
Segment::IsLive Matcher::live() const {
  return [this, now = std::chrono::system_clock::now()](Slot slot) {
    if (!is_live(*snapshot_, slot)) return false;
    const ReferenceEntry& entry = *snapshot_->references.at(slot);
    if (is_in_force(entry.reference.suppression, now)) return false;
    return !stricter_than_ || snapshot_->banks.at(entry.bank_id).action > *stricter_than_;
  };
}

void Matcher::search(uint32_t begin, uint32_t end, uint32_t stride,
                     const Segment::IsLive& is_wanted, Slot slot_begin) {
  const QueryWindows windows = windows_of(query_, begin, end, stride);
  if (windows.windows.empty()) return;
  const std::vector<WindowHit> hits = hits_of(windows, {band_, slot_begin}, is_wanted);
  candidates_.add(hits);
  if (newest_hits_.size() < kSessionHitsMax) {
    newest_hits_.insert(newest_hits_.end(), hits.begin(), hits.end());
  }
  if (leading_hits_.size() >= kSessionHitsMax) return;
  std::ranges::copy_if(hits, std::back_inserter(leading_hits_),
                       [](const WindowHit& hit) { return hit.distance < kEarlyRadius; });
}

std::vector<WindowHit> Matcher::hits_of(const QueryWindows& windows, const SearchScope& scope,
                                        const Segment::IsLive& is_wanted) const {
  size_t all_windows = 0;
  for (const auto& segment : snapshot_->segments) all_windows += segment->window_count();
  std::vector<WindowHit> hits;
  CoarseProbes coarse;
  for (const auto& segment : snapshot_->segments) {
    SearchScope of_segment = scope;  // a budget is that of all segments together
    if (scope.compared_windows > 0) {
      const double share =
          static_cast<double>(segment->window_count()) / static_cast<double>(all_windows);
      of_segment.compared_windows =
          1 + static_cast<size_t>(share * static_cast<double>(scope.compared_windows));
    }
    segment->search(windows, of_segment, is_wanted, hits, coarse);
  }
  return hits;
}

}  // namespace soundgate
