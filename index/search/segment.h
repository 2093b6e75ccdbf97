// A segment: the windows of some consecutive slots, searchable.
// A slot is a number that a reference gets when it is enrolled, and that is never given again; a
// segment's windows are in the order of their slots, and of their places in the reference.
// Thread: immutable; any.
#pragma once

#include <memory>
#include <span>
#include <vector>

#include "index/search/window_index.h"

namespace soundgate {

using Slot = uint32_t;

struct WindowPlace {
  Slot slot;
  uint32_t item;  // of the reference, where the window starts
};

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
  std::span<const Item> items;
};

class Segment {
 public:
  // The informative windows of some references, by slot.
  explicit Segment(std::span<const SlotItems> references);
  // Those of all `parts`, in order, but the slots that `is_live` denies.
  template <class IsLive>
  Segment(std::span<const std::shared_ptr<const Segment>> parts, IsLive is_live)
      : Segment(gather(parts, is_live)) {}

  size_t window_count() const { return places_.size(); }
  size_t window_count(Slot slot) const;

  // Appends the nearest windows of each query, of slots from `slot_begin` on.
  void search(const QueryWindows& queries, Slot slot_begin, std::vector<WindowHit>& hits) const;

 private:
  struct Contents {
    std::vector<Window> windows;
    std::vector<WindowPlace> places;
  };

  explicit Segment(Contents contents);
  static Contents windows_of(std::span<const SlotItems> references);
  template <class IsLive>
  static Contents gather(std::span<const std::shared_ptr<const Segment>> parts, IsLive is_live);

  std::vector<WindowPlace> places_;
  WindowIndex index_;
};

template <class IsLive>
Segment::Contents Segment::gather(std::span<const std::shared_ptr<const Segment>> parts,
                                  IsLive is_live) {
  Contents contents;
  for (const auto& part : parts) {
    for (size_t i = 0; i < part->places_.size(); ++i) {
      if (!is_live(part->places_[i].slot)) continue;
      contents.windows.push_back(part->index_.window(i));
      contents.places.push_back(part->places_[i]);
    }
  }
  return contents;
}

}  // namespace soundgate
