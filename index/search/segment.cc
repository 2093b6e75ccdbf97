#include "index/search/segment.h"

#include <algorithm>

#include "index/search/segment_builder.h"
#include "index/search/tuning.h"

namespace soundgate {
namespace {

template <class T>
T value_of(IndexResult<T> result) {
  if (!result) throw std::bad_alloc();  // in memory nothing else can fail
  return std::move(*result);
}

}  // namespace

Segment::Segment(SegmentImage image)
    : image_(std::move(image)), index_(image_.lists(), image_.quantiser()) {}

Segment::Segment(std::span<const SlotItems> references)
    : Segment(value_of(SegmentBuilder(references).build({}))) {}

Segment::Segment(Parts parts, const IsLive& is_live)
    : Segment(value_of(SegmentBuilder(parts, is_live).build({}))) {}

IndexResult<std::shared_ptr<const Segment>> Segment::merge_into_file(
    Parts parts, const IsLive& is_live, const std::filesystem::path& path) {
  auto image = SegmentBuilder(parts, is_live).build(path);
  if (!image) return tl::unexpected(std::move(image.error()));
  return std::shared_ptr<const Segment>(new Segment(std::move(*image)));
}

IndexResult<std::shared_ptr<const Segment>> Segment::open(const std::filesystem::path& path) {
  auto image = SegmentImage::open(path);
  if (!image) return tl::unexpected(std::move(image.error()));
  return std::shared_ptr<const Segment>(new Segment(std::move(*image)));
}

void Segment::read_back() const {
  const BlockLists lists = image_.lists();
  if (lists.guard != nullptr) lists.guard->is_sound(0, lists.blocks.size());
}

size_t Segment::window_count(Slot slot) const {
  const auto found = std::ranges::lower_bound(slots(), slot, {}, &SlotInfo::slot);
  return found != slots().end() && found->slot == slot ? found->window_count : 0;
}

void Segment::search(const QueryWindows& queries, const SearchScope& scope, const IsLive& is_live,
                     std::vector<WindowHit>& hits, CoarseProbes& coarse) const {
  if (slots().empty() || slots().back().slot < scope.slot_begin) return;
  WindowIndex::IsWanted is_wanted;
  if (is_live) is_wanted = [&](WindowId id) { return is_live(place_of(id).slot); };
  const size_t compared = scope.compared_windows > 0 ? scope.compared_windows : kComparedWindows;
  std::vector<WindowIndex::Hit> found;
  index_.search(queries.windows, static_cast<size_t>(scope.band), compared,
                id_of({scope.slot_begin, Band::kFull, 0}), kSearchRadius, kHitsPerWindowMax,
                is_wanted, coarse, found);
  for (const auto& hit : found) {
    const WindowPlace place = place_of(hit.window);
    hits.push_back({place.slot, place.item, queries.items[hit.query], hit.distance});
  }
}

void Segment::search(const QueryWindows& queries, const SearchScope& scope,
                     std::vector<WindowHit>& hits) const {
  CoarseProbes coarse;
  search(queries, scope, {}, hits, coarse);
}

}  // namespace soundgate
