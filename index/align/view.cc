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
  return std::abs(view) <= probe_step_max(snapshot.banks.at(entry->bank_id).probes);
}

View align_view(const Matcher& matcher, const Snapshot& snapshot, int number,
                std::vector<Candidate> candidates, double false_positives_max) {
  const bool probed = is_probe(number);
  std::erase_if(candidates, [&](const Candidate& candidate) {
    return !is_wanted(snapshot, candidate.slot, number);
  });
  if (probed) candidates.resize(std::min(candidates.size(), kAlignedProbeCandidatesMax));
  View view;
  view.speed = probed ? probe_speed(number) : 1;
  view.query_items = matcher.query().size();
  view.space = {snapshot.status.reference_seconds, matcher.query().known_seconds() - kLeastSeconds,
                false_positives_max, band_of(number)};
  // What was sped up goes along with its reference again; where only the pitch was shifted, undoing
  // that has changed the tempo, by just as much.
  const std::array<double, 2> speeds{1, 1 / view.speed};
  view.found = align_all(matcher.query(), band_of(number), snapshot.references, candidates,
                         std::span(speeds).first(probed ? 2 : 1), view.space);
  return view;
}

}  // namespace

View finish_view(Matcher& matcher, std::shared_ptr<const Snapshot> newest, int number,
                 double false_positives_max) {
  return align_view(matcher, *newest, number, matcher.take_candidates(newest), false_positives_max);
}

View look_closely(Matcher& matcher, const Snapshot& snapshot, int number,
                  double false_positives_max) {
  return align_view(matcher, snapshot, number, matcher.take_candidates_of_close_search(),
                    false_positives_max);
}

}  // namespace soundgate
