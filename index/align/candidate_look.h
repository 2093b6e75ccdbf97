// Whether what has come of an upload speaks for a reference, more than unrelated music mostly does,
// though it may be far from certain. What a sparse pass looks closer for: README, "Candidates".
// Input: the matchers of the upload and its probes.  Output: whether one of them has a candidate in
//   what was searched since the last look.
// Bounded: kCandidateAlignmentsMax alignments of each matcher, and only after a search.
// Thread: the session's.
#pragma once

#include <map>

#include "index/align/matcher.h"
#include "index/search/snapshot.h"

namespace soundgate {

// views: by their numbers (fingerprint.h).
bool look_for_candidate(std::map<int, Matcher>& views, std::shared_ptr<const Snapshot> snapshot);

}  // namespace soundgate
