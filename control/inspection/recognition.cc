#include "control/inspection/recognition.h"

#include "control/limits.h"

namespace soundgate {

void Recognition::append(uint32_t first_item, std::span<const Item> items) {
  if (first_item < items_.size() || first_item + items.size() > kUploadItemsMax) return;
  items_.resize(first_item, kSilenceItem);
  items_.insert(items_.end(), items.begin(), items.end());
  if (session_) session_->append(first_item, items);
}

void Recognition::append_probe(int step, uint32_t first_item, std::span<const Item> items) {
  if (session_) session_->append_probe(step, first_item, items);
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
