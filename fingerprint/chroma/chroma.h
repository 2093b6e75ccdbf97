// Turns PCM into fingerprint items, as it comes: of all that is heard, and of bands of it.
// Input: mono signed 16-bit samples at kSampleRateHz, any number at a time.
// Output: items in order, each once, as soon as their last sample is there; those of kFull are what
//   Chromaprint makes of the whole at once (but for 1 bit in 10^5 that lies on a border).
// Errors: std::bad_alloc.
// Thread: one.  Memory: 70 kB.
// Source: Chromaprint 1.5.1, CHROMAPRINT_ALGORITHM_TEST2. Ours, so that bands share its spectra,
//   which are nearly all that it costs.
#pragma once

#include <array>
#include <cstdint>
#include <span>
#include <vector>

#include "fingerprint/chroma/item_maker.h"
#include "fingerprint/chroma/pitch_classes.h"
#include "fingerprint/chroma/spectrum.h"
#include "fingerprint/fingerprint.h"

namespace soundgate {

class Chroma {
 public:
  explicit Chroma(std::span<const Band> bands = std::span(kAllBands).first<1>());

  void feed(std::span<const int16_t> samples);
  void restart();  // the next samples do not follow those before

  size_t ready() const { return bands_.front().ready.size(); }  // items, of each band
  // Appends the items that are ready, and forgets them.
  void take(Band band, std::vector<Item>& items);

 private:
  struct OfBand {
    Band band;
    PitchClasses pitch_classes;
    ItemMaker item_maker;
    std::vector<Item> ready;
  };

  Spectrum spectrum_;
  std::vector<OfBand> bands_;
};

}  // namespace soundgate
