// How loud each of the twelve pitch classes is in a range of a spectrum, over the last frames.
// Input: power spectra, one a hop.  Output: a row of twelve, of unit length, or of zeroes where
//   there is next to nothing, or next to nothing beside what there is in all of the spectrum; the
//   first after five spectra.
// Thread: one.
// Source: Chromaprint 1.5.1, Chroma, ChromaFilter, ChromaNormalizer.
#pragma once

#include <array>
#include <cstddef>
#include <optional>
#include <vector>

#include "fingerprint/chroma/spectrum.h"

namespace soundgate {

inline constexpr size_t kPitchClasses = 12;
using PitchRow = std::array<float, kPitchClasses>;

class PitchClasses {
 public:
  // audible_share: of the power of a spectrum, that the range must have; else it is silent.
  PitchClasses(double low_hz, double high_hz, double audible_share = 0);

  std::optional<PitchRow> add(Spectrum::Power power);
  void restart() { count_ = 0; }

 private:
  // Bins next to each other, of one pitch class.
  struct Run {
    size_t pitch, begin, end;
  };
  static constexpr std::array<float, 5> kSmoothing = {0.25F, 0.75F, 1.0F, 0.75F, 0.25F};

  const float audible_share_;
  std::vector<Run> runs_;
  std::array<PitchRow, kSmoothing.size()> last_{};  // a ring
  size_t count_ = 0;                                // since the last restart
};

}  // namespace soundgate
