// Finds what an upload may have in common with references, while its items arrive: query windows →
// hits → candidates. Knows nothing of banks and suppressions.
// Thread: one at a time.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <vector>

#include "index/align/candidates.h"
#include "index/align/query.h"
#include "index/search/snapshot.h"

namespace soundgate {

class Matcher {
 public:
  // Items of that band are searched for.
  Matcher(std::shared_ptr<const Snapshot> snapshot, Band band);

  // `newest`: what has been enrolled or resumed since is searched for in all of the upload so far.
  // What is removed, paused or suppressed is not looked for, and takes the place of nothing.
  void append(std::shared_ptr<const Snapshot> newest, uint32_t first_item,
              std::span<const Item> items);
  // Of all that was searched; heaviest first. Nothing more is appended.
  std::vector<Candidate> take_candidates(std::shared_ptr<const Snapshot> newest);
  // The same of a short upload, after a search of all of it that leaves out much less: its queries
  // are compared with so many windows together. Of a longer one, none: there was enough to be found
  // by.
  std::vector<Candidate> take_candidates_of_close_search(size_t compared_windows);
  // Looks again, in all of it, among banks that ask for more than `action` alone; take_candidates()
  // and the close search then see these. Copies in milder banks may have taken all places.
  void search_stricter(Action action);
  // What the newest search of append() speaks for, by its near hits alone; heaviest first. Once.
  std::vector<Candidate> take_leading();
  // Searches at once what has come since the last search, where append() would wait for more, and
  // more closely: for an upload of which little comes. What it speaks for, heaviest first; with
  // what append() has searched just now.
  std::vector<Candidate> search_what_has_come(std::shared_ptr<const Snapshot> newest);
  const Query& query() const { return query_; }

 private:
  void adopt(std::shared_ptr<const Snapshot> newest);
  Segment::IsLive live() const;
  void search(uint32_t begin, uint32_t end, uint32_t stride, const Segment::IsLive& is_wanted,
              Slot slot_begin = 0);
  std::vector<WindowHit> hits_of(const QueryWindows& windows, const SearchScope& scope,
                                 const Segment::IsLive& is_wanted) const;
  void search_again(const Segment::IsLive& is_wanted, Slot slot_begin);

  std::shared_ptr<const Snapshot> snapshot_;
  Band band_;
  Query query_;
  Candidates candidates_;
  std::optional<Action> stricter_than_;
  std::vector<WindowHit> leading_hits_;
  std::vector<WindowHit>
      newest_hits_;            // of what was searched since they were taken, or of the newest
  uint32_t searched_end_ = 0;  // windows that start before this item have been searched
};

}  // namespace soundgate
