#include "index/local_match_session.h"

#include <algorithm>
#include <chrono>
#include <utility>

#include "index/align/limits.h"
#include "index/align/matches.h"
#include "index/align/view.h"

namespace soundgate {

LocalMatchSession::LocalMatchSession(std::shared_ptr<const SnapshotCell> newest,
                                     double false_positives_max)
    : newest_(std::move(newest)),
      false_positives_max_(false_positives_max),
      matcher_(newest_->get(), Band::kFull),
      early_(false_positives_max) {}

void LocalMatchSession::append(uint32_t first_item, std::span<const Item> items) {
  matcher_.append(newest_->get(), first_item, items);
}

void LocalMatchSession::append_view(int view, uint32_t first_item, std::span<const Item> items) {
  if (view == kPlainView || view < -kProbeStepMax || view > kViewMax) return;
  const std::shared_ptr<const Snapshot> snapshot = newest_->get();
  views_.try_emplace(view, snapshot, band_of(view))
      .first->second.append(snapshot, first_item, items);
}

std::vector<Match> LocalMatchSession::decisive(Action least) {
  const std::shared_ptr<const Snapshot> snapshot = newest_->get();
  std::vector<EarlyLooks::Source> sources{{kPlainView, &matcher_}};
  for (auto& [view, matcher] : views_) sources.push_back({view, &matcher});
  if (!early_.look(sources, *snapshot, least)) return {};
  index_version_ = snapshot->status.version;
  return matches_of(early_.views(), *snapshot, std::chrono::system_clock::now());
}

// Of the false positives that are bearable, early looks have had their share; of what is left, half
// is the probes', where there are any, and the rest the bands': each as much.
std::vector<Match> LocalMatchSession::finish() {
  const std::shared_ptr<const Snapshot> snapshot = newest_->get();
  index_version_ = snapshot->status.version;
  const double left = false_positives_max_ * (early_.has_looked() ? 1 - kEarlyShare : 1);
  const auto probes = static_cast<double>(
      std::ranges::count_if(views_, [](const auto& view) { return is_probe(view.first); }));
  const double bands = static_cast<double>(views_.size() + 1) - probes;
  const double of_band = left * (probes == 0 ? 1 : 0.5) / bands;
  const auto share = [&](int view) { return is_probe(view) ? left * 0.5 / probes : of_band; };

  std::vector<View> views;
  views.push_back(finish_view(matcher_, snapshot, kPlainView, of_band));
  for (auto& [number, matcher] : views_) {
    views.push_back(finish_view(matcher, snapshot, number, share(number)));
  }
  if (std::ranges::all_of(views, [](const View& view) { return view.found.empty(); })) {
    views[0] = look_closely(matcher_, *snapshot, kPlainView, of_band);
    auto view = views.begin();
    for (auto& [number, matcher] : views_) {
      *++view = look_closely(matcher, *snapshot, number, share(number));
    }
  }
  const auto now = std::chrono::system_clock::now();
  return with_early(matches_of(views, *snapshot, now), matches_of(early_.views(), *snapshot, now));
}

}  // namespace soundgate
