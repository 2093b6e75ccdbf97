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

// Aligns what the matcher has found; its search is over. Of a probe (step != 0: fingerprint.h) only
// references count whose bank asks for it.
View finish_view(Matcher& matcher, std::shared_ptr<const Snapshot> newest, int view,
                 double false_positives_max);
// The same once more, of what a close search finds.
View look_closely(Matcher& matcher, const Snapshot& snapshot, int view, double false_positives_max);

}  // namespace soundgate
