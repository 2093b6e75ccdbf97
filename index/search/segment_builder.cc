#include "index/search/segment_builder.h"

#include <algorithm>
#include <array>
#include <random>

#include "index/search/tuning.h"
#include "index/search/window.h"

namespace soundgate {
namespace {

constexpr size_t kAssignBatch = 1024;
constexpr size_t kSampleTriesMax = 20;  // for each window wanted, where many are dead

// The windows of one band: ids and windows, by list, which is the band.
struct Windows {
  std::vector<Window> windows;
  std::vector<WindowId> ids;
};

void add_windows(const SlotItems& reference, Band band, SlotInfo& info, Windows& made) {
  const std::span<const Item> items = reference.items->of(band);
  for (uint32_t first = 0; first + kWindowItems <= items.size(); first += kReferenceStride) {
    const WindowItems window = items.subspan(first).first<kWindowItems>();
    if (!is_informative(window)) continue;
    made.windows.push_back(pack_window(window));
    made.ids.push_back(id_of({reference.slot, band, first}));
    ++info.window_count;
  }
}

// Ids grow along a list, so that what is newer than a slot is its end. Parts come by slot and their
// lists are in order: only what was quantised anew is not.
void sort_list(std::span<WindowBlock> blocks, std::span<WindowId> ids) {
  if (std::ranges::is_sorted(ids)) return;
  std::vector<std::pair<WindowId, Window>> entries;
  for (size_t i = 0; i < ids.size(); ++i) entries.emplace_back(ids[i], window_at(blocks, i));
  std::ranges::sort(entries, {}, &std::pair<WindowId, Window>::first);
  for (size_t i = 0; i < ids.size(); ++i) {
    ids[i] = entries[i].first;
    put_window(blocks, i, entries[i].second);
  }
}

template <class From, class To>
void copy(const From& from, To to) {
  std::ranges::copy(from, to.begin());
}

}  // namespace

SegmentBuilder::SegmentBuilder(std::span<const SlotItems> references) {
  std::array<Windows, kBandCount> of_bands;
  for (const SlotItems& reference : references) {
    SlotInfo info;
    info.slot = reference.slot;
    info.item_count = static_cast<uint32_t>(reference.items->count());
    info.band_count = static_cast<uint32_t>(reference.items->band_count());
    info.enrolled_ms = reference.enrolled_ms;
    info.informative_items = informative_items(reference.items->of(Band::kFull));
    for (const Band band : kAllBands) {
      add_windows(reference, band, info, of_bands[static_cast<size_t>(band)]);
    }
    slots_.push_back(info);
  }
  begin_ = {0};
  for (const Windows& made : of_bands) {
    const size_t first = blocks_.size();
    blocks_.resize(first + (made.ids.size() + kBlockWindows - 1) / kBlockWindows);
    for (size_t i = 0; i < made.windows.size(); ++i) {
      put_window(std::span(blocks_).subspan(first), i, made.windows[i]);
    }
    ids_.insert(ids_.end(), made.ids.begin(), made.ids.end());
    ids_.resize(blocks_.size() * kBlockWindows, kNoId);
    begin_.push_back(static_cast<uint32_t>(blocks_.size()));
    windows_ += made.windows.size();
  }
  parts_.push_back({{begin_, blocks_, ids_}, {}, std::vector<bool>(kBandCount, true)});
}

SegmentBuilder::SegmentBuilder(Segment::Parts parts, const Segment::IsLive& is_live)
    : is_live_(is_live) {
  for (const auto& part : parts) {
    const BlockLists& lists = part->image().lists();
    std::vector<bool> sound;
    for (size_t list = 0; list < lists.list_count(); ++list) sound.push_back(lists.is_sound(list));
    parts_.push_back({lists, part->image().quantiser(), std::move(sound)});
    for (const SlotInfo& info : part->slots()) {
      if (!is_live_(info.slot)) continue;
      slots_.push_back(info);
      windows_ += info.window_count;
    }
  }
  std::ranges::sort(slots_, {}, &SlotInfo::slot);
}

IndexResult<SegmentImage> SegmentBuilder::build(const std::filesystem::path& path,
                                                size_t filled_at_once) {
  choose_quantiser();
  const std::vector<uint32_t> lists = assign();
  std::vector<uint32_t> sizes(kBandCount * list_count_);
  for (const uint32_t list : lists) ++sizes[list];

  SegmentCounts counts;
  counts.slots = slots_.size();
  counts.windows = lists.size();
  counts.leaders = quantiser_.leaders.size();
  counts.centroid_blocks = quantiser_.centroids.blocks.size();
  counts.lists = sizes.size();
  for (const uint32_t size : sizes) counts.blocks += (size + kBlockWindows - 1) / kBlockWindows;

  auto made = path.empty() ? IndexResult<SegmentImage>(SegmentImage(counts))
                           : SegmentImage::in_file(path, counts);
  if (!made) return made;
  copy(slots_, made->slots());
  copy(quantiser_.leaders, made->leaders());
  if (!quantiser_.empty()) copy(quantiser_.centroids.begin, made->leader_begin());
  copy(quantiser_.centroids.ids, made->centroid_ids());
  copy(quantiser_.centroids.blocks, made->centroids());
  uint32_t block = 0;
  for (size_t list = 0; list < sizes.size(); ++list) {
    made->list_begin()[list] = block;
    block += static_cast<uint32_t>((sizes[list] + kBlockWindows - 1) / kBlockWindows);
  }
  made->list_begin()[sizes.size()] = block;
  uint32_t end_list = 0;
  while (end_list < sizes.size()) {
    const uint32_t first_list = end_list;
    for (size_t windows = 0; end_list < sizes.size() && (windows == 0 || windows < filled_at_once);
         ++end_list) {
      windows += sizes[end_list];
    }
    fill(*made, lists, first_list, end_list);
  }
  if (auto sealed = made->seal(quantiser_.digest); !sealed) {
    return tl::unexpected(std::move(sealed.error()));
  }
  return made;
}

template <class Visit>
void SegmentBuilder::for_each_window(Visit visit) const {
  for (const Part& part : parts_) {
    for (size_t list = 0; list < part.lists.list_count(); ++list) {
      if (!part.sound[list]) continue;
      const size_t first = part.lists.begin[list] * kBlockWindows;
      const auto ids = part.lists.ids_of(list);
      for (size_t i = 0; i < ids.size(); ++i) {
        if (place_of(ids[i]).band != part.band_of(list)) continue;  // whoever wrote that
        if (is_live(ids[i])) visit(part, list, first + i, ids[i]);
      }
    }
  }
}

bool SegmentBuilder::is_live(WindowId id) const { return !is_live_ || is_live_(place_of(id).slot); }

// The one of the largest part that has one that suits; otherwise a new one.
void SegmentBuilder::choose_quantiser() {
  if (list_count(windows_) == 1) return;
  const Part* best = nullptr;
  for (const Part& part : parts_) {
    if (part.quantiser.empty() || !suits(part.lists.list_count() / kBandCount, windows_)) continue;
    if (best == nullptr || part.lists.blocks.size() > best->lists.blocks.size()) best = &part;
  }
  if (best != nullptr) {
    quantiser_ = best->quantiser;
    list_count_ = best->lists.list_count() / kBandCount;
    return;
  }
  const std::vector<Window> centroids = sample(list_count(windows_));
  if (centroids.empty()) return;
  made_ = make_quantiser(centroids);
  quantiser_ = made_.view();
  list_count_ = centroids.size();
}

// Seeded by their number: the same references make the same segment.
std::vector<Window> SegmentBuilder::sample(size_t count) const {
  size_t places = 0;
  for (const Part& part : parts_) places += part.lists.ids.size();
  std::mt19937_64 random(windows_);
  std::vector<Window> windows;
  for (size_t tries = 0; windows.size() < count && tries < count * kSampleTriesMax; ++tries) {
    size_t place = random() % places;
    const Part* part = parts_.data();
    while (place >= part->lists.ids.size()) place -= (part++)->lists.ids.size();
    const WindowId id = part->lists.ids[place];
    if (id == kNoId || !is_live(id)) continue;
    windows.push_back(window_at(part->lists.blocks, place));
  }
  return windows;
}

// The list of each live window, in the order of for_each_window.
std::vector<uint32_t> SegmentBuilder::assign() const {
  std::vector<uint32_t> lists;
  lists.reserve(windows_);
  if (quantiser_.empty()) {
    for_each_window([&](const Part&, size_t, size_t, WindowId id) {
      lists.push_back(static_cast<uint32_t>(place_of(id).band));
    });
    return lists;
  }
  const Quantiser quantiser(quantiser_);
  std::vector<Window> batch;
  std::vector<uint32_t> first_lists;  // of the batch: where each one's band begins
  const auto flush = [&] {
    lists.resize(lists.size() + batch.size());
    const auto made = std::span(lists).last(batch.size());
    quantiser.assign_lists(batch, made);
    for (size_t i = 0; i < made.size(); ++i) made[i] += first_lists[i];
    batch.clear();
    first_lists.clear();
  };
  for_each_window([&](const Part& part, size_t list, size_t index, WindowId id) {
    if (part.quantiser.digest == quantiser_.digest &&
        part.lists.list_count() == kBandCount * list_count_) {
      if (!batch.empty()) flush();
      lists.push_back(static_cast<uint32_t>(list));
      return;
    }
    batch.push_back(window_at(part.lists.blocks, index));
    first_lists.push_back(static_cast<uint32_t>(place_of(id).band) *
                          static_cast<uint32_t>(list_count_));
    if (batch.size() == kAssignBatch) flush();
  });
  flush();
  return lists;
}

// Of the list of each window, as assign() has them, those of some lists.
void SegmentBuilder::fill(SegmentImage& image, std::span<const uint32_t> lists, uint32_t first_list,
                          uint32_t end_list) const {
  const std::span<const uint32_t> begin = image.list_begin();
  const std::span<WindowId> ids = image.ids();
  const auto ids_of = [&](size_t list, size_t count) {
    return ids.subspan(begin[list] * kBlockWindows, count);
  };
  std::vector<uint32_t> filled(end_list - first_list);
  for (uint32_t list = first_list; list < end_list; ++list) {
    std::ranges::fill(ids_of(list, (begin[list + 1] - begin[list]) * kBlockWindows), kNoId);
  }
  size_t at = 0;
  for_each_window([&](const Part& part, size_t, size_t index, WindowId id) {
    const uint32_t list = lists[at++];
    if (list < first_list || list >= end_list) return;
    const size_t place = begin[list] * kBlockWindows + filled[list - first_list]++;
    put_window(image.blocks(), place, window_at(part.lists.blocks, index));
    ids[place] = id;
  });
  for (uint32_t list = first_list; list < end_list; ++list) {
    sort_list(image.blocks().subspan(begin[list]), ids_of(list, filled[list - first_list]));
  }
}

}  // namespace soundgate
