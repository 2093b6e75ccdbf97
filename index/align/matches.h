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

}  // namespace soundgate
