// ProbeSettings in one word, which is written and read whole: the largest step in the upper half,
// the share of CPU, a float, in the lower. 0: no probes.
#pragma once

#include <algorithm>
#include <bit>
#include <cstdint>

#include "fingerprint/decode/decoder_pool.h"

namespace soundgate::decode {

inline uint64_t pack_probes(const ProbeSettings& settings) {
  const auto step_max = static_cast<uint32_t>(std::clamp(settings.step_max, 0, kProbeStepMax));
  const auto cpu_share = static_cast<float>(
      settings.cpu_share > 0 ? std::min(settings.cpu_share, ProbeSettings::kCpuShareMax) : 0.0);
  if (step_max == 0 || cpu_share == 0) return 0;
  return uint64_t{step_max} << 32 | std::bit_cast<uint32_t>(cpu_share);
}

inline ProbeSettings unpack_probes(uint64_t word) {
  return {.step_max = static_cast<int>(word >> 32),
          .cpu_share = std::bit_cast<float>(static_cast<uint32_t>(word))};
}

}  // namespace soundgate::decode
