#include "index/local_match_session.h"

#include <chrono>
#include <cstdlib>
#include <utility>

#include "index/align/limits.h"
#include "index/align/matches.h"
#include "index/align/view.h"

namespace soundgate {

LocalMatchSession::LocalMatchSession(std::shared_ptr<const SnapshotCell> newest,
                                     double false_positives_max)
    : newest_(std::move(newest)),
      false_positives_max_(false_positives_max),
      matcher_(newest_->get()),
      early_(false_positives_max) {}

void LocalMatchSession::append(uint32_t first_item, std::span<const Item> items) {
  matcher_.append(newest_->get(), first_item, items);
}

void LocalMatchSession::append_probe(int step, uint32_t first_item, std::span<const Item> items) {
  if (step == 0 || std::abs(step) > kProbeStepMax) return;
  const std::shared_ptr<const Snapshot> snapshot = newest_->get();
  probes_.try_emplace(step, snapshot).first->second.append(snapshot, first_item, items);
}

std::vector<Match> LocalMatchSession::decisive(Action least) {
  const std::shared_ptr<const Snapshot> snapshot = newest_->get();
  std::vector<EarlyLooks::Source> sources{{0, &matcher_}};
  for (auto& [step, matcher] : probes_) sources.push_back({step, &matcher});
  if (!early_.look(sources, *snapshot, least)) return {};
  index_version_ = snapshot->status.version;
  return matches_of(early_.views(), *snapshot, std::chrono::system_clock::now());
}

// Of the false positives that are bearable, early looks have had their share; of what is left, half
// are the probes', which search as much as all of them together.
std::vector<Match> LocalMatchSession::finish() {
  const std::shared_ptr<const Snapshot> snapshot = newest_->get();
  index_version_ = snapshot->status.version;
  const double share = (early_.has_looked() ? 1 - kEarlyShare : 1) * (probes_.empty() ? 1 : 0.5);
  std::vector<View> views;
  views.push_back(finish_view(matcher_, snapshot, 0, share * false_positives_max_));
  for (auto& [step, matcher] : probes_) {
    const double of_each = share * false_positives_max_ / static_cast<double>(probes_.size());
    views.push_back(finish_view(matcher, snapshot, step, of_each));
  }
  const auto now = std::chrono::system_clock::now();
  return with_early(matches_of(views, *snapshot, now), matches_of(early_.views(), *snapshot, now));
}

}  // namespace soundgate
