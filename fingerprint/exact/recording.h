// What a listener heard of one stream, in order, so that it can be told again.
#pragma once

#include <algorithm>
#include <cstdint>
#include <span>
#include <vector>

#include "fingerprint/decode/decoder_pool.h"

namespace soundgate::exact {

class Recording {
 public:
  struct Run {
    int32_t view;  // fingerprint.h
    uint32_t first_item;
    uint32_t item_count;
    uint32_t read_blocks;  // of the body, that had been looked into when this was made
    uint32_t checkpoint;   // likewise of the packets: they had not come to this one

    // Not read_blocks: how far ahead a decoder reads may depend on what has come.
    bool operator==(const Run& other) const {
      return view == other.view && first_item == other.first_item && item_count == other.item_count;
    }
  };

  void append(int view, uint32_t first_item, std::span<const Item> items, uint32_t read_blocks,
              uint32_t checkpoint) {
    runs_.push_back(
        {view, first_item, static_cast<uint32_t>(items.size()), read_blocks, checkpoint});
    items_.insert(items_.end(), items.begin(), items.end());
  }
  // tell(const Run&, std::span<const Item>)
  void replay(const auto& tell) const {
    size_t at = 0;
    for (const Run& run : runs_) {
      tell(run, std::span(items_).subspan(at, run.item_count));
      at += run.item_count;
    }
  }

  static size_t bytes_of_run(size_t items) { return sizeof(Run) + items * sizeof(Item); }
  size_t bytes() const { return runs_.size() * sizeof(Run) + items_.size() * sizeof(Item); }
  void shrink() {
    runs_.shrink_to_fit();
    items_.shrink_to_fit();
  }
  bool same_items(const Recording& other) const {
    return runs_ == other.runs_ && items_ == other.items_;
  }
  // Of the same items: whether they were made of the same packets.
  bool same_checkpoints(const Recording& other) const {
    return std::ranges::equal(runs_, other.runs_, {}, &Run::checkpoint, &Run::checkpoint);
  }

  DecodeEnd end;

 private:
  std::vector<Run> runs_;
  std::vector<Item> items_;
};

}  // namespace soundgate::exact
