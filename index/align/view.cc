#include "index/align/view.h"

#include <algorithm>
#include <array>
#include <cstdlib>
#include <span>
#include <utility>

namespace soundgate {
namespace {

// A stretch of the least length has so much less room than the upload.
constexpr double kLeastSeconds = (kMatchItemsMin - 1) * kItemSeconds;

// Removed references must not take the place of others among those that are aligned.
bool is_wanted(const Snapshot& snapshot, Slot slot, int view) {
  const ReferenceEntry* entry = snapshot.references.at(slot);
  if (entry == nullptr) return false;
  if (!is_probe(view)) return true;
  return std::abs(step_of(view)) <= probe_step_max(snapshot.banks.at(entry->bank_id).probes);
}

View align_view(const ViewSearch& search, const Snapshot& snapshot,
                std::vector<Candidate> candidates) {
  const bool probed = is_probe(search.view);
  const Query& query = search.matcher->query();
  std::erase_if(candidates, [&](const Candidate& candidate) {
    return !is_wanted(snapshot, candidate.slot, search.view);
  });
  if (probed) candidates.resize(std::min(candidates.size(), kAlignedProbeCandidatesMax));
  View view;
  view.speed = probed ? probe_speed(step_of(search.view)) : 1;
  view.query_items = query.size();
  view.space = {snapshot.status.reference_seconds, query.known_seconds() - kLeastSeconds,
                band_of(search.view), search.false_positives_max, search.joint_false_positives_max};
  // What was sped up goes along with its reference again; where only the pitch was shifted, undoing
  // that has changed the tempo, by just as much.
  const std::array<double, 2> speeds{1, 1 / view.speed};
  view.found = align_all(search.query, band_of(search.view), snapshot.references, candidates,
                         std::span(speeds).first(probed ? 2 : 1), view.space);
  return view;
}

}  // namespace

View finish_view(const ViewSearch& search, std::shared_ptr<const Snapshot> newest) {
  return align_view(search, *newest, search.matcher->take_candidates(newest));
}

View look_closely(const ViewSearch& search, const Snapshot& snapshot, size_t compared_windows) {
  return align_view(search, snapshot,
                    search.matcher->take_candidates_of_close_search(compared_windows));
}

}  // namespace soundgate
