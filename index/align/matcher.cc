#include "index/align/matcher.h"

#include <utility>

#include "index/limits.h"

namespace soundgate {
namespace {

constexpr uint32_t kBatchItems = kSearchBatchWindows * kQueryStride;

// The informative windows that start in [begin, end), a multiple of the stride.
QueryWindows windows_of(const Query& query, uint32_t begin, uint32_t end) {
  QueryWindows windows;
  for (uint32_t first = begin; first < end; first += kQueryStride) {
    if (!query.is_known(first, first + kWindowItems)) continue;
    const WindowItems items = query.items().subspan(first).first<kWindowItems>();
    if (!is_informative(items)) continue;
    windows.windows.push_back(pack_window(items));
    windows.items.push_back(first);
  }
  return windows;
}

}  // namespace

Matcher::Matcher(std::shared_ptr<const Snapshot> snapshot) : snapshot_(std::move(snapshot)) {}

void Matcher::append(std::shared_ptr<const Snapshot> newest, uint32_t first_item,
                     std::span<const Item> items) {
  adopt(std::move(newest));
  query_.append(first_item, items);
  while (searched_end_ + kBatchItems + kWindowItems <= query_.size()) {
    search(searched_end_, searched_end_ + kBatchItems, 0);
    searched_end_ += kBatchItems;
  }
}

std::vector<ReferenceAlignments> Matcher::finish(std::shared_ptr<const Snapshot> newest) {
  adopt(std::move(newest));
  search(searched_end_, query_.size(), 0);
  return align_all(query_, snapshot_->references, candidates_.take());
}

// Slots are given in order, so what is new to us has slots past those we know.
void Matcher::adopt(std::shared_ptr<const Snapshot> newest) {
  const Slot slot_begin = snapshot_->references.slot_end();
  snapshot_ = std::move(newest);
  if (snapshot_->references.slot_end() == slot_begin) return;
  for (uint32_t begin = 0; begin < searched_end_; begin += kBatchItems) {
    search(begin, begin + kBatchItems, slot_begin);
  }
}

void Matcher::search(uint32_t begin, uint32_t end, Slot slot_begin) {
  const QueryWindows windows = windows_of(query_, begin, end);
  if (windows.windows.empty()) return;
  std::vector<WindowHit> hits;
  CoarseProbes coarse;
  for (const auto& segment : snapshot_->segments) {
    segment->search(windows, slot_begin, hits, coarse);
  }
  candidates_.add(hits);
}

}  // namespace soundgate
