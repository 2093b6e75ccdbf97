// CoverageSettings in one word, which is written and read whole: the share, a float, in the upper
// half, the period, another, in the lower.
#pragma once

#include <algorithm>
#include <bit>
#include <cstdint>

#include "fingerprint/decode/decoder_pool.h"

namespace soundgate::decode {

inline uint64_t pack_coverage(const CoverageSettings& settings) {
  const auto share =
      static_cast<float>(std::clamp(settings.share, CoverageSettings::kShareMin, 1.0));
  const auto period = static_cast<float>(std::clamp(
      settings.period_seconds, CoverageSettings::kPeriodMin, CoverageSettings::kPeriodMax));
  return uint64_t{std::bit_cast<uint32_t>(share)} << 32 | std::bit_cast<uint32_t>(period);
}

inline CoverageSettings unpack_coverage(uint64_t word) {
  return {.share = std::bit_cast<float>(static_cast<uint32_t>(word >> 32)),
          .period_seconds = std::bit_cast<float>(static_cast<uint32_t>(word))};
}

}  // namespace soundgate::decode
