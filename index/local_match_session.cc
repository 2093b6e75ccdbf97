#include "index/local_match_session.h"

#include <algorithm>
#include <chrono>
#include <iterator>
#include <utility>

#include "index/align/candidate_look.h"
#include "index/align/limits.h"
#include "index/align/matches.h"
#include "index/align/view.h"
#include "index/limits.h"
#include "index/search/tuning.h"

namespace soundgate {
namespace {

// The close search of an upload's own audio costs the same with probes as without.
std::vector<View> look_closely_at_all(std::span<const ViewSearch> searches,
                                      const Snapshot& snapshot) {
  const auto probes = static_cast<size_t>(std::ranges::count_if(
      searches, [](const ViewSearch& search) { return is_probe(search.view); }));
  const size_t of_probe =
      std::min(kCloselyComparedWindows, kCloselyComparedOfProbes / std::max<size_t>(probes, 1));
  std::vector<View> views;
  for (const ViewSearch& search : searches) {
    const size_t compared = is_probe(search.view) ? of_probe : kCloselyComparedWindows;
    views.push_back(look_closely(search, snapshot, compared));
  }
  return views;
}

bool is_empty(const View& view) { return view.found.empty(); }

std::vector<View> finish_all(std::span<const ViewSearch> searches,
                             const std::shared_ptr<const Snapshot>& snapshot) {
  std::vector<View> views;
  for (const ViewSearch& search : searches) views.push_back(finish_view(search, snapshot));
  return std::ranges::all_of(views, is_empty) ? look_closely_at_all(searches, *snapshot) : views;
}

bool has_stricter(const Snapshot& snapshot, Action action) {
  return std::ranges::any_of(snapshot.banks, [&](const auto& bank) {
    return bank.second.action > action && !bank.second.paused && bank.second.reference_count > 0;
  });
}

}  // namespace

LocalMatchSession::LocalMatchSession(std::shared_ptr<const SnapshotCell> newest,
                                     double false_positives_max)
    : newest_(std::move(newest)),
      false_positives_max_(false_positives_max),
      early_(false_positives_max) {
  views_.try_emplace(kPlainView, newest_->get(), Band::kFull);
}

void LocalMatchSession::append(uint32_t first_item, std::span<const Item> items) {
  append_view(kPlainView, first_item, items);
}

void LocalMatchSession::append_view(int view, uint32_t first_item, std::span<const Item> items) {
  if (!is_view(view)) return;
  const std::shared_ptr<const Snapshot> snapshot = newest_->get();
  views_.try_emplace(view, snapshot, band_of(view))
      .first->second.append(snapshot, first_item, items);
}

std::vector<Match> LocalMatchSession::decisive(Action least) {
  const std::shared_ptr<const Snapshot> snapshot = newest_->get();
  std::vector<EarlyLooks::Source> sources{{kPlainView, &views_.at(kPlainView)}};
  for (auto& [view, matcher] : views_) {
    if (view != kPlainView) sources.push_back({view, &matcher});
  }
  if (!early_.look(sources, *snapshot, least)) return {};
  index_version_ = snapshot->status.version;
  return matches_of(early_.views(), *snapshot, std::chrono::system_clock::now());
}

bool LocalMatchSession::has_candidate() { return look_for_candidate(views_, newest_->get()); }

// Of the false positives that are bearable, early looks have had their share; of what is left, half
// is the probes', where there are any. The bands of one audio have half of its share together, and
// each as much of the other half.
std::vector<ViewSearch> LocalMatchSession::searches() {
  std::map<int, BandedQuery> queries;  // by step
  for (const auto& [view, matcher] : views_) {
    queries[step_of(view)][static_cast<size_t>(band_of(view))] = &matcher.query();
  }
  const double left = false_positives_max_ * (early_.has_looked() ? 1 - kEarlyShare : 1);
  const auto steps = static_cast<double>(queries.size() - 1);
  std::vector<ViewSearch> searches;
  for (auto& [view, matcher] : views_) {
    const BandedQuery& query = queries[step_of(view)];
    const auto bands = std::ranges::count_if(query, [](const Query* band) { return band; });
    const double share = steps == 0 ? left : left / 2 / (is_probe(view) ? steps : 1);
    const double joint = bands == 1 ? 0 : share / 2;
    searches.push_back(
        {view, &matcher, query, (share - joint) / static_cast<double>(bands), joint});
  }
  return searches;
}

std::vector<Match> LocalMatchSession::finish() {
  const std::shared_ptr<const Snapshot> snapshot = newest_->get();
  index_version_ = snapshot->status.version;
  const std::vector<ViewSearch> searches = this->searches();
  const auto now = std::chrono::system_clock::now();
  std::vector<View> views = finish_all(searches, snapshot);
  std::vector<Match> matches = matches_of(views, *snapshot, now);
  // So many may be copies that have taken all places of the windows they share with a stricter one.
  if (matches.size() >= kHitsPerWindowMax && has_stricter(*snapshot, matches[0].bank.action)) {
    for (const ViewSearch& search : searches) {
      search.matcher->search_stricter(matches[0].bank.action);
    }
    std::ranges::move(finish_all(searches, snapshot), std::back_inserter(views));
    matches = matches_of(views, *snapshot, now);
  }
  return with_early(std::move(matches), matches_of(early_.views(), *snapshot, now));
}

}  // namespace soundgate
