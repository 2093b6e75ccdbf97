// Which stretches of an upload are decoded: of each period a share, from its begin on.
// It follows from the settings and the position in the audio alone, as a ProbeSchedule does.
// Thread: any; a value.
#pragma once

#include "fingerprint/decode/decoder_pool.h"

namespace soundgate::decode {

class CoverageSchedule {
 public:
  explicit CoverageSchedule(const CoverageSettings& settings) : settings_(settings) {}

  // The first moment from `seconds` on that is decoded: that itself, or the next stretch's begin.
  double next_wanted(double seconds) const;

 private:
  CoverageSettings settings_;
};

}  // namespace soundgate::decode
