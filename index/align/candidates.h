// Candidates: places where an upload may run along a reference, voted for by window hits.
// Hits of one alignment share their offset, but for drift and for the phase of the windows.
// Bounded: kSessionHitsMax hits wait; kSessionCandidatesMax candidates are kept, the heaviest.
// Thread: the session's.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "index/search/segment.h"

namespace soundgate {

struct Candidate {
  Slot slot;
  uint32_t query_item;  // of the best hit
  int32_t offset;       // reference item - query item, of the best hit
  uint32_t weight;      // the more hits, and the nearer, the more
};

class Candidates {
 public:
  void add(std::span<const WindowHit> hits);
  // All of them, heaviest first. Starts anew.
  std::vector<Candidate> take();

 private:
  void boil_down();

  std::vector<WindowHit> hits_;
  std::vector<Candidate> candidates_;
};

}  // namespace soundgate
