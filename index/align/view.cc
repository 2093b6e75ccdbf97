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
bool is_wanted(const Snapshot& snapshot, Slot slot, int step) {
  const ReferenceEntry* entry = snapshot.references.at(slot);
  if (entry == nullptr) return false;
  return std::abs(step) <= probe_step_max(snapshot.banks.at(entry->bank_id).probes);
}

}  // namespace

View finish_view(Matcher& matcher, std::shared_ptr<const Snapshot> newest, int step,
                 double false_positives_max) {
  const Snapshot& snapshot = *newest;
  std::vector<Candidate> candidates = matcher.take_candidates(newest);
  std::erase_if(candidates, [&](const Candidate& candidate) {
    return !is_wanted(snapshot, candidate.slot, step);
  });
  if (step != 0) candidates.resize(std::min(candidates.size(), kAlignedProbeCandidatesMax));
  View view;
  view.speed = probe_speed(step);
  view.query_items = matcher.query().size();
  view.space = {snapshot.status.reference_seconds, matcher.query().known_seconds() - kLeastSeconds,
                false_positives_max};
  // What was sped up goes along with its reference again; where only the pitch was shifted, undoing
  // that has changed the tempo, by just as much.
  const std::array<double, 2> speeds{1, 1 / view.speed};
  view.found = align_all(matcher.query(), snapshot.references, candidates,
                         std::span(speeds).first(step == 0 ? 1 : 2), view.space);
  return view;
}

}  // namespace soundgate
