#include "index/align/early_looks.h"

#include <algorithm>
#include <array>
#include <limits>

#include "index/align/limits.h"
#include "index/align/wanted.h"
#include "index/limits.h"

namespace soundgate {
namespace {

// The longest upload, all bands, any number of probes, and every look a search of its own.
SearchSpace worst_space(const Snapshot& snapshot, int view, double false_positives_max) {
  const double of_each_look = false_positives_max * kEarlyShare / kEarlyLooksMax;
  const double of_each_kind = of_each_look / 2;
  const size_t views = is_probe(view) ? 2 * kProbeStepMax * kProbedBands.size() : kBandCount;
  return {snapshot.status.reference_seconds, kItemsMax * kItemSeconds, band_of(view),
          of_each_kind / static_cast<double>(views)};
}

struct Lead {
  EarlyLooks::Source source;
  Candidate candidate;
};

// Of all sources, the heaviest first.
std::vector<Lead> leads_of(std::span<const EarlyLooks::Source> sources, const Snapshot& snapshot,
                           Action least) {
  std::vector<Lead> leads;
  for (const EarlyLooks::Source& source : sources) {
    for (const Candidate& candidate : source.matcher->take_leading()) {
      if (candidate.weight < kEarlyWeightMin) break;
      if (is_wanted(snapshot, candidate.slot, source.view, least))
        leads.push_back({source, candidate});
    }
  }
  std::ranges::sort(leads, std::greater{}, [](const Lead& lead) { return lead.candidate.weight; });
  leads.resize(std::min(leads.size(), kEarlyAlignmentsMax));
  return leads;
}

}  // namespace

bool EarlyLooks::look(std::span<const Source> sources, const Snapshot& snapshot, Action least) {
  const uint32_t items = sources.front().matcher->query().size();
  if (items < next_items_ || count_ == kEarlyLooksMax) return false;
  const std::vector<Lead> leads = leads_of(sources, snapshot, least);
  if (leads.empty()) return false;
  ++count_;
  next_items_ = static_cast<uint32_t>(kEarlyGrowth * items);
  bool found = false;
  for (const Lead& lead : leads) found |= align(lead.source, lead.candidate, snapshot);
  return found;
}

// At the upload's own tempo, or the probe's: how often unrelated music goes together at any other
// is known too badly for what cannot be taken back.
bool EarlyLooks::align(const Source& source, const Candidate& candidate, const Snapshot& snapshot) {
  const SharedItems items = snapshot.references.at(candidate.slot)->items.load();
  if (!items) return false;
  const SearchSpace space = worst_space(snapshot, source.view, false_positives_max_);
  const double speed = is_probe(source.view) ? probe_speed(step_of(source.view)) : 1;
  const std::array<double, 2> speeds{1, 1 / speed};
  for (const double of_reference : std::span(speeds).first(is_probe(source.view) ? 2 : 1)) {
    const Alignment alignment = soundgate::align(
        source.matcher->query(), items->of(band_of(source.view)), candidate, of_reference);
    if (!judge(alignment, space).is_accepted) continue;
    View& view = found_[source.view];
    view.speed = speed;
    // The upload has no end yet: where a stretch breaks off now, it is taken to be cut.
    view.query_items = std::numeric_limits<uint32_t>::max();
    view.space = space;
    view.found.push_back({candidate.slot, {alignment}});
    return true;
  }
  return false;
}

std::vector<View> EarlyLooks::views() const {
  std::vector<View> views;
  for (const auto& [number, view] : found_) views.push_back(view);
  return views;
}

}  // namespace soundgate
