// A segment: the windows of some references, searchable, in memory or in a mapped file.
// A slot is a number that a reference gets when it is enrolled, and that is never given again.
// Thread: immutable; any.
#pragma once

#include <filesystem>
#include <functional>
#include <memory>
#include <span>
#include <vector>

#include "index/banded_items.h"
#include "index/limits.h"
#include "index/search/segment_image.h"
#include "index/search/window_index.h"

namespace soundgate {

using Slot = uint32_t;

struct WindowPlace {
  Slot slot;
  Band band;
  uint32_t item;  // of the reference, where the window starts
};

// As the window's id: what is enrolled later has a larger one.
inline constexpr int kBandShift = 28;
static_assert(kItemsMax < uint32_t{1} << kBandShift);
inline WindowId id_of(WindowPlace place) {
  return static_cast<WindowId>(uint64_t{place.slot} << 32 |
                               uint64_t{static_cast<uint8_t>(place.band)} << kBandShift |
                               place.item);
}
inline WindowPlace place_of(WindowId id) {
  const auto low = static_cast<uint32_t>(id);
  return {static_cast<Slot>(id >> 32), static_cast<Band>(low >> kBandShift & 15),
          low & ((uint32_t{1} << kBandShift) - 1)};
}

// A stretch of an upload that resembles a stretch of a reference.
struct WindowHit {
  Slot slot;
  uint32_t reference_item;
  uint32_t query_item;
  uint32_t distance;  // in bits, of 512
};

// Windows of an upload, and where in it they start.
struct QueryWindows {
  std::vector<Window> windows;
  std::vector<uint32_t> items;
};

struct SlotItems {
  Slot slot;
  const BandedItems* items;
  int64_t enrolled_ms = 0;
};

// Where a search looks.
struct SearchScope {
  Band band = Band::kFull;
  Slot slot_begin = 0;          // older slots are passed over
  size_t compared_windows = 0;  // of each query (tuning.h); 0: as usual
};

class Segment {
 public:
  using IsLive = std::function<bool(Slot)>;
  using Parts = std::span<const std::shared_ptr<const Segment>>;

  // In memory: the informative windows of some references, by slot.
  explicit Segment(std::span<const SlotItems> references);
  // Those of all `parts`, but the slots that `is_live` denies.
  Segment(Parts parts, const IsLive& is_live);
  // The same in a file.
  static IndexResult<std::shared_ptr<const Segment>> merge_into_file(
      Parts parts, const IsLive& is_live, const std::filesystem::path& path);
  static IndexResult<std::shared_ptr<const Segment>> open(const std::filesystem::path& path);

  size_t window_count() const { return image_.counts().windows; }
  // Verifies all of a file now, so that the searches that read it first need not.
  void read_back() const;
  size_t window_count(Slot slot) const;
  std::span<const SlotInfo> slots() const { return image_.slots(); }
  const SegmentImage& image() const { return image_; }
  bool is_file() const { return !image_.path().empty(); }

  // Appends the nearest windows of each query, of slots that `is_live` (empty: all): what is dead
  // takes the place of nothing. `coarse` keeps what the quantiser said of these queries, for the
  // other segments that have the same one.
  void search(const QueryWindows& queries, const SearchScope& scope, const IsLive& is_live,
              std::vector<WindowHit>& hits, CoarseProbes& coarse) const;
  void search(const QueryWindows& queries, const SearchScope& scope,
              std::vector<WindowHit>& hits) const;

 private:
  explicit Segment(SegmentImage image);

  SegmentImage image_;
  WindowIndex index_;
};

}  // namespace soundgate
