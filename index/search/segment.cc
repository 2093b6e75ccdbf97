#include "index/search/segment.h"

#include <algorithm>

namespace soundgate {
Segment::Segment(Contents contents)
    : places_(std::move(contents.places)), index_(contents.windows) {}

Segment::Segment(std::span<const SlotItems> references) : Segment(windows_of(references)) {}

Segment::Contents Segment::windows_of(std::span<const SlotItems> references) {
  Contents contents;
  for (const auto& [slot, items] : references) {
    for (uint32_t first = 0; first + kWindowItems <= items.size(); first += kReferenceStride) {
      const WindowItems window = items.subspan(first).first<kWindowItems>();
      if (!is_informative(window)) continue;
      contents.windows.push_back(pack_window(window));
      contents.places.push_back({slot, first});
    }
  }
  return contents;
}

size_t Segment::window_count(Slot slot) const {
  return std::ranges::equal_range(places_, slot, {}, &WindowPlace::slot).size();
}

void Segment::search(const QueryWindows& queries, Slot slot_begin,
                     std::vector<WindowHit>& hits) const {
  const auto first = std::ranges::lower_bound(places_, slot_begin, {}, &WindowPlace::slot);
  if (first == places_.end()) return;
  std::vector<WindowIndex::Hit> found;
  index_.search(queries.windows, static_cast<size_t>(first - places_.begin()), kSearchRadius,
                kHitsPerWindowMax, found);
  for (const auto& hit : found) {
    const WindowPlace& place = places_[hit.window];
    hits.push_back({place.slot, place.item, queries.items[hit.query], hit.distance});
  }
}

}  // namespace soundgate
