// The items of a reference: of all bands, or, where it came without the others, of kFull alone.
#pragma once

#include <cstddef>
#include <span>
#include <vector>

#include "fingerprint/fingerprint.h"

namespace soundgate {

class BandedItems {
 public:
  BandedItems() = default;
  // all: those of each band after the other, in the order of kAllBands, as many of each.
  BandedItems(std::vector<Item> all, size_t band_count)
      : all_(std::move(all)), band_count_(band_count) {}
  explicit BandedItems(const Fingerprint& fingerprint)
      : all_(fingerprint.items), band_count_(fingerprint.has_all_bands() ? kBandCount : 1) {
    if (band_count_ == 1) return;
    all_.insert(all_.end(), fingerprint.bass.begin(), fingerprint.bass.end());
    all_.insert(all_.end(), fingerprint.treble.begin(), fingerprint.treble.end());
  }

  size_t count() const { return all_.size() / band_count_; }  // of each band
  size_t band_count() const { return band_count_; }
  std::span<const Item> all() const { return all_; }
  std::span<const Item> of(Band band) const {  // none, where it has no such band
    const auto number = static_cast<size_t>(band);
    return number < band_count_ ? all().subspan(number * count(), count()) : all().first(0);
  }

  Fingerprint fingerprint(double duration_seconds) const {
    const auto copy = [this](Band band) {
      return std::vector<Item>(of(band).begin(), of(band).end());
    };
    return {kAlgorithm, duration_seconds, copy(Band::kFull), copy(Band::kBass),
            copy(Band::kTreble)};
  }

 private:
  std::vector<Item> all_;
  size_t band_count_ = 1;
};

}  // namespace soundgate
