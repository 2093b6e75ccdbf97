#include "index/align/candidate_look.h"

#include <algorithm>
#include <array>
#include <span>

#include "index/align/aligner.h"
#include "index/align/limits.h"
#include "index/align/wanted.h"

namespace soundgate {
namespace {

using Queries = std::map<int, BandedQuery>;  // by step

Queries queries_of(const std::map<int, Matcher>& views) {
  Queries queries;
  for (const auto& [view, matcher] : views) {
    queries[step_of(view)][static_cast<size_t>(band_of(view))] = &matcher.query();
  }
  return queries;
}

// A stretch is as likely to be a candidate at the end of a long upload as in a short one, so what
// it needs does not grow with the upload.
SearchSpace space_of(const Snapshot& snapshot, int view, size_t view_count) {
  const double bearable = kChanceCandidates / 2 / static_cast<double>(view_count);
  return {snapshot.status.reference_seconds, 60, band_of(view), bearable, bearable};
}

bool is_candidate(const Candidate& candidate, int view, const BandedQuery& query,
                  const Snapshot& snapshot, const SearchSpace& space) {
  const SharedItems items = snapshot.references.at(candidate.slot)->items.load();
  if (!items) return false;
  const double speed = is_probe(view) ? probe_speed(step_of(view)) : 1;
  const std::array<double, 2> speeds{1, 1 / speed};
  return std::ranges::any_of(
      std::span(speeds).first(is_probe(view) ? 2 : 1), [&](double of_reference) {
        return judge(align(query, *items, band_of(view), candidate, of_reference), space)
            .is_accepted;
      });
}

}  // namespace

bool look_for_candidate(std::map<int, Matcher>& views, std::shared_ptr<const Snapshot> snapshot) {
  for (auto& [view, matcher] : views) {
    std::vector<Candidate> candidates = matcher.search_what_has_come(snapshot);
    std::erase_if(candidates, [&](const Candidate& candidate) {
      return !is_wanted(*snapshot, candidate.slot, view, Action::kAllow);
    });
    candidates.resize(std::min(candidates.size(), kCandidateAlignmentsMax));
    if (candidates.empty()) continue;
    const BandedQuery query = queries_of(views)[step_of(view)];
    const SearchSpace space = space_of(*snapshot, view, views.size());
    for (const Candidate& candidate : candidates) {
      if (is_candidate(candidate, view, query, *snapshot, space)) return true;
    }
  }
  return false;
}

}  // namespace soundgate
