// What was found of an upload as it is, or as a probe plays it.
// Thread: any; it keeps nothing.
#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include "index/align/aligner.h"
#include "index/align/matcher.h"

namespace soundgate {

struct View {
  double speed = 1;  // of the upload, that the probe undoes
  uint32_t query_items = 0;
  SearchSpace space;  // that the stretches were accepted in
  std::vector<ReferenceAlignments> found;
};

// A view (fingerprint.h) that is to be finished, with the other bands of the same audio, and what
// false matches it may cause.
struct ViewSearch {
  int view;
  Matcher* matcher;
  BandedQuery query;
  double false_positives_max, joint_false_positives_max;
};

// Aligns what the matcher has found; its search is over. Of a probe only references count whose
// bank asks for it.
View finish_view(const ViewSearch& search, std::shared_ptr<const Snapshot> newest);
// The same once more, of what a close search finds that compares so many windows.
View look_closely(const ViewSearch& search, const Snapshot& snapshot, size_t compared_windows);

}  // namespace soundgate
