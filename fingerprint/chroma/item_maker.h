// Makes items of rows of pitch classes: each says of 16 rows, by 16 comparisons of one part of them
// with another, how they lie to each other in time and pitch: two bits a comparison.
// Thread: one.
// Source: Chromaprint 1.5.1, FingerprintCalculator with the filters of CHROMAPRINT_ALGORITHM_TEST2.
#pragma once

#include <array>
#include <cstddef>
#include <optional>

#include "fingerprint/chroma/pitch_classes.h"
#include "fingerprint/fingerprint.h"

namespace soundgate {

class ItemMaker {
 public:
  static constexpr size_t kRows = 16;

  std::optional<Item> add(const PitchRow& row);  // from the sixteenth row on
  void restart() { count_ = 0; }

 private:
  std::array<PitchRow, kRows> rows_{};  // a ring
  size_t count_ = 0;                    // since the last restart
};

}  // namespace soundgate
