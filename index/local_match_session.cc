#include "index/local_match_session.h"

#include <chrono>

#include "index/align/matches.h"

namespace soundgate {

void LocalMatchSession::append(uint32_t first_item, std::span<const Item> items) {
  matcher_.append(newest_->get(), first_item, items);
}

std::vector<Match> LocalMatchSession::finish() {
  const std::shared_ptr<const Snapshot> snapshot = newest_->get();
  index_version_ = snapshot->status.version;
  const auto found = matcher_.finish(snapshot);
  return matches_of(found, matcher_.query_items(), *snapshot, std::chrono::system_clock::now());
}

}  // namespace soundgate
