#include "control/inspection/recognition.h"

#include <algorithm>

#include "control/limits.h"

namespace soundgate {

void Recognition::append(uint32_t first_item, std::span<const Item> items) {
  const auto before = static_cast<uint32_t>(items_[0].size());
  if (!keep(Band::kFull, first_item, items)) return;
  missing_items_ += first_item - before;
  if (session_) session_->append(first_item, items);
}

void Recognition::append_view(int view, uint32_t first_item, std::span<const Item> items) {
  if (!is_probe(view) && !keep(band_of(view), first_item, items)) return;
  if (session_) session_->append_view(view, first_item, items);
}

bool Recognition::keep(Band band, uint32_t first_item, std::span<const Item> more) {
  std::vector<Item>& items = items_[static_cast<size_t>(band)];
  if (first_item < items.size() || first_item + more.size() > kUploadItemsMax) return false;
  items.resize(first_item, kSilenceItem);
  items.insert(items.end(), more.begin(), more.end());
  return true;
}

Fingerprint Recognition::take_fingerprint(double seconds) {
  auto& [full, bass, treble] = items_;
  // Where it ends in the middle, the last items of a band may be missing yet.
  const size_t whole = std::min({full.size(), bass.size(), treble.size()});
  if (whole > 0) {
    for (std::vector<Item>& items : items_) items.resize(whole);
  }
  return {kAlgorithm, seconds, std::move(full), std::move(bass), std::move(treble)};
}

std::vector<Match> Recognition::decisive(Action least) {
  return session_ ? session_->decisive(least) : std::vector<Match>();
}

bool Recognition::has_candidate() { return session_ && session_->has_candidate(); }

double Recognition::heard_seconds() const {
  if (items_[0].empty()) return 0;
  const size_t heard = items_[0].size() - missing_items_;
  return static_cast<double>(heard - 1) * kItemSeconds + kItemSpanSeconds;
}

Recognition::Result Recognition::stop(std::vector<Match> decisive) {
  Result result;
  result.fingerprint = take_fingerprint(heard_seconds());
  result.matches = std::move(decisive);
  result.index_version = session_->index_version();
  session_.reset();
  return result;
}

Recognition::Result Recognition::finish(const DecodeEnd& end) {
  Result result;
  result.fingerprint = take_fingerprint(end.duration_seconds);
  if (session_) {
    result.matches = session_->finish();
    result.index_version = session_->index_version();
  }
  session_.reset();
  return result;
}

}  // namespace soundgate
