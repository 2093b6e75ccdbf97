#include "fingerprint/decode/worker/item_stream.h"

#include <algorithm>

#include "fingerprint/decode/limits.h"

namespace soundgate::decode {

void ItemStream::feed(std::span<const int16_t> samples) {
  fed_ += samples.size();
  if (position_ < skip_until_) {
    const size_t skipped = std::min<uint64_t>(skip_until_ - position_, samples.size());
    position_ += skipped;
    samples = samples.subspan(skipped);
  }
  position_ += samples.size();
  if (samples.empty()) return;
  chroma_.feed(samples);
  if (chroma_.ready() >= kItemsPerEntry) finish();
}

void ItemStream::jump_to(uint64_t position, Jump why) {
  finish();
  chroma_.restart();
  uint64_t& left_out = why == Jump::kMissing ? missing_ : skipped_;
  left_out += position - std::min(position, position_);
  position_ = position;
  next_item_ =
      std::max(next_item_, static_cast<uint32_t>((position + kHopSamples - 1) / kHopSamples));
  skip_until_ = uint64_t{next_item_} * kHopSamples;
}

void ItemStream::finish() {
  size_t count = 0;
  for (const Band band : kAllBands) {
    ready_.clear();
    chroma_.take(band, ready_);
    if (ready_.empty()) return;
    sink_(view_of(band), next_item_, ready_);
    count = ready_.size();
  }
  next_item_ += static_cast<uint32_t>(count);
}

}  // namespace soundgate::decode
