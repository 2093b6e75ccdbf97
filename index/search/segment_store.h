// The directory with a store's segment files. They are a cache of the catalogue: what is damaged,
// left over, or of another catalogue is removed, and made again.
// Errors: kInputOutput where the directory cannot be used.
// Thread: one at a time.
#pragma once

#include <filesystem>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "index/search/segment.h"

namespace soundgate {

class SegmentStore {
 public:
  using Segments = std::vector<std::shared_ptr<const Segment>>;

  explicit SegmentStore(std::filesystem::path directory) : directory_(std::move(directory)) {}

  // The segments that are there and whole, by slot. None has a slot twice, nor one from `slot_end`
  // on, which the catalogue has not given yet. `complaints`: why others were removed.
  IndexResult<Segments> open(Slot slot_end, std::vector<std::string>& complaints);

  IndexResult<std::shared_ptr<const Segment>> write(Segment::Parts parts,
                                                    const Segment::IsLive& is_live);
  // Its file; what has it mapped may go on.
  void remove(const Segment& segment);

 private:
  std::filesystem::path path_of(uint64_t number) const;

  std::filesystem::path directory_;
  uint64_t next_number_ = 1;
};

}  // namespace soundgate
