// Finds what an upload may have in common with references, while its items arrive: query windows →
// hits → candidates. Knows nothing of banks and suppressions.
// Thread: one at a time.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "index/align/candidates.h"
#include "index/align/query.h"
#include "index/search/snapshot.h"

namespace soundgate {

class Matcher {
 public:
  explicit Matcher(std::shared_ptr<const Snapshot> snapshot);

  // `newest`: what has been enrolled or resumed since is searched for in all of the upload so far.
  // What is removed or paused is not looked for, and takes the place of nothing.
  void append(std::shared_ptr<const Snapshot> newest, uint32_t first_item,
              std::span<const Item> items);
  // Heaviest first. Nothing more is searched.
  std::vector<Candidate> take_candidates(std::shared_ptr<const Snapshot> newest);
  // What the newest search of append() speaks for, by its near hits alone; heaviest first. Once.
  std::vector<Candidate> take_leading();
  const Query& query() const { return query_; }

 private:
  void adopt(std::shared_ptr<const Snapshot> newest);
  Segment::IsLive live() const;
  void search(uint32_t begin, uint32_t end, uint32_t stride, const Segment::IsLive& is_wanted,
              Slot slot_begin = 0);
  void search_again(const Segment::IsLive& is_wanted, Slot slot_begin);

  std::shared_ptr<const Snapshot> snapshot_;
  Query query_;
  Candidates candidates_;
  std::vector<WindowHit> leading_hits_;
  uint32_t searched_end_ = 0;  // windows that start before this item have been searched
};

}  // namespace soundgate
