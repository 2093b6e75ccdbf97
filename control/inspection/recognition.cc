#include "control/inspection/recognition.h"

#include "control/limits.h"

namespace soundgate {

void Recognition::append(uint32_t first_item, std::span<const Item> items) {
  if (first_item < items_.size() || first_item + items.size() > kUploadItemsMax) return;
  missing_items_ += first_item - static_cast<uint32_t>(items_.size());
  items_.resize(first_item, kSilenceItem);
  items_.insert(items_.end(), items.begin(), items.end());
  if (session_) session_->append(first_item, items);
}

void Recognition::append_probe(int step, uint32_t first_item, std::span<const Item> items) {
  if (session_) session_->append_probe(step, first_item, items);
}

std::vector<Match> Recognition::decisive(Action least) {
  return session_ ? session_->decisive(least) : std::vector<Match>();
}

double Recognition::heard_seconds() const {
  if (items_.empty()) return 0;
  const size_t heard = items_.size() - missing_items_;
  return static_cast<double>(heard - 1) * kItemSeconds + kItemSpanSeconds;
}

Recognition::Result Recognition::stop(std::vector<Match> decisive) {
  Result result;
  result.fingerprint.duration_seconds = heard_seconds();
  result.fingerprint.items = std::move(items_);
  result.matches = std::move(decisive);
  result.index_version = session_->index_version();
  session_.reset();
  return result;
}

Recognition::Result Recognition::finish(const DecodeEnd& end) {
  Result result;
  result.fingerprint.duration_seconds = end.duration_seconds;
  result.fingerprint.items = std::move(items_);
  if (session_) {
    result.matches = session_->finish();
    result.index_version = session_->index_version();
  }
  session_.reset();
  return result;
}

}  // namespace soundgate
