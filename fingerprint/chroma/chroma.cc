#include "fingerprint/chroma/chroma.h"

#include <algorithm>

namespace soundgate {
namespace {

// What a band has less of than this, of the power of the whole, is the window's leakage: a tone
// would have a bass, made of its phase alone. Chromaprint asks no such thing of kFull.
constexpr double kAudibleShare = 1e-4;

struct Range {
  double low_hz, high_hz;
  double audible_share = kAudibleShare;
};

Range range_of(Band band) {
  switch (band) {
    case Band::kBass:
      return {28, 180};
    case Band::kTreble:
      return {300, 3520};
    case Band::kFull:
      break;
  }
  return {28, 3520, 0};
}

}  // namespace

Chroma::Chroma(std::span<const Band> bands) {
  for (const Band band : bands) {
    const auto [low_hz, high_hz, audible_share] = range_of(band);
    bands_.push_back({band, PitchClasses(low_hz, high_hz, audible_share), {}, {}});
  }
}

void Chroma::feed(std::span<const int16_t> samples) {
  spectrum_.feed(samples, [this](Spectrum::Power power) {
    for (OfBand& band : bands_) {
      const auto row = band.pitch_classes.add(power);
      const auto item = row ? band.item_maker.add(*row) : std::nullopt;
      if (item) band.ready.push_back(*item);
    }
  });
}

void Chroma::restart() {
  spectrum_.restart();
  for (OfBand& band : bands_) {
    band.pitch_classes.restart();
    band.item_maker.restart();
    band.ready.clear();
  }
}

void Chroma::take(Band band, std::vector<Item>& items) {
  const auto found = std::ranges::find(bands_, band, &OfBand::band);
  if (found == bands_.end()) return;
  items.insert(items.end(), found->ready.begin(), found->ready.end());
  found->ready.clear();
}

}  // namespace soundgate
