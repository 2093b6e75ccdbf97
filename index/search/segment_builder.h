// Builds the bytes of a segment, from references or from other segments.
// Cost: parts that have the new segment's quantiser are copied list by list; the windows of others
//   are quantised anew (README, "Quantiser"). Besides the segment itself, 4 bytes a window.
// Thread: one.
#pragma once

#include <algorithm>
#include <filesystem>
#include <memory>
#include <span>
#include <vector>

#include "index/search/quantiser.h"
#include "index/search/segment.h"
#include "index/search/segment_image.h"

namespace soundgate {

class SegmentBuilder {
 public:
  explicit SegmentBuilder(std::span<const SlotItems> references);
  SegmentBuilder(Segment::Parts parts, const Segment::IsLive& is_live);

  // Lists that hold about 2 GB.
  static constexpr size_t kFilledAtOnce = 32'000'000;

  // In memory where `path` is empty. `filled_at_once`: windows of which lists are filled together.
  // They come in the order of their references and go all over the lists, so what is filled at once
  // has to stay in memory; each time, all are gone through again.
  IndexResult<SegmentImage> build(const std::filesystem::path& path,
                                  size_t filled_at_once = kFilledAtOnce);

 private:
  struct Part {
    BlockLists lists;
    QuantiserView quantiser;
    std::vector<bool> sound;  // by list; asked once, so that all passes see the same windows

    Band band_of(size_t list) const {
      return static_cast<Band>(list / std::max<size_t>(1, lists.list_count() / kBandCount));
    }
  };

  template <class Visit>  // visit(part, list, window index in the part, id)
  void for_each_window(Visit visit) const;
  bool is_live(WindowId id) const;
  void choose_quantiser();
  std::vector<Window> sample(size_t count) const;
  std::vector<uint32_t> assign() const;
  void fill(SegmentImage& image, std::span<const uint32_t> lists, uint32_t first_list,
            uint32_t end_list) const;

  std::vector<Part> parts_;
  Segment::IsLive is_live_;  // empty: all are
  std::vector<SlotInfo> slots_;
  size_t windows_ = 0;
  size_t list_count_ = 1;
  QuantiserView quantiser_;
  QuantiserParts made_;  // what quantiser_ shows, if it is a new one

  // Of references: their windows, as one list.
  std::vector<uint32_t> begin_;
  std::vector<WindowBlock> blocks_;
  std::vector<WindowId> ids_;
};

}  // namespace soundgate
