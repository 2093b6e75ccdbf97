// Alignments as matches: with their bank and reference, in seconds of the upload; without what is
// suppressed, removed or paused by now.
// Thread: any.
#pragma once

#include <chrono>
#include <span>
#include <vector>

#include "index/align/view.h"
#include "index/match.h"
#include "index/search/snapshot.h"

namespace soundgate {

// Strictest action first, then longest.
std::vector<Match> matches_of(std::span<const View> views, const Snapshot& snapshot,
                              std::chrono::system_clock::time_point now);

// The matches of both, where what was found early stays: of a reference, those of the two that
// match more of the upload. In the order of matches_of().
std::vector<Match> with_early(std::vector<Match> matches, std::vector<Match> early);

}  // namespace soundgate
