// How much audio so many items come of: from audio_seconds(n) to less than audio_seconds(n + 1).
#pragma once

#include <cstddef>

#include "fingerprint/fingerprint.h"

namespace soundgate {

inline constexpr double audio_seconds(size_t item_count) {
  if (item_count == 0) return 0;
  const auto later = static_cast<double>(item_count - 1);
  return (kFirstItemSamples + later * kHopSamples) / kSampleRateHz;
}

}  // namespace soundgate
