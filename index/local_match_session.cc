#include "index/local_match_session.h"

#include <chrono>
#include <cstdlib>
#include <utility>

#include "index/align/matches.h"
#include "index/align/view.h"

namespace soundgate {

LocalMatchSession::LocalMatchSession(std::shared_ptr<const SnapshotCell> newest,
                                     double false_positives_max)
    : newest_(std::move(newest)),
      false_positives_max_(false_positives_max),
      matcher_(newest_->get()) {}

void LocalMatchSession::append(uint32_t first_item, std::span<const Item> items) {
  matcher_.append(newest_->get(), first_item, items);
}

void LocalMatchSession::append_probe(int step, uint32_t first_item, std::span<const Item> items) {
  if (step == 0 || std::abs(step) > kProbeStepMax) return;
  const std::shared_ptr<const Snapshot> snapshot = newest_->get();
  probes_.try_emplace(step, snapshot).first->second.append(snapshot, first_item, items);
}

// Of the false positives that are bearable, half are the probes', which search as much as all of
// them together.
std::vector<Match> LocalMatchSession::finish() {
  const std::shared_ptr<const Snapshot> snapshot = newest_->get();
  index_version_ = snapshot->status.version;
  const double share = probes_.empty() ? 1 : 0.5;
  std::vector<View> views;
  views.push_back(finish_view(matcher_, snapshot, 0, share * false_positives_max_));
  for (auto& [step, matcher] : probes_) {
    const double of_each = share * false_positives_max_ / static_cast<double>(probes_.size());
    views.push_back(finish_view(matcher, snapshot, step, of_each));
  }
  return matches_of(views, *snapshot, std::chrono::system_clock::now());
}

}  // namespace soundgate
