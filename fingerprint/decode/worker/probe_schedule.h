// Which stretches of an upload are probed: the first from its start, the others so far apart that
// the settings' share of CPU is kept in the long run.
// It follows from the settings and the position in the audio alone, so that a verdict can be had
// again: never from a clock, the load, or how the bytes came.
// Thread: any; a value.
#pragma once

#include <cstdint>

#include "fingerprint/decode/decoder_pool.h"

namespace soundgate::decode {

class ProbeSchedule {
 public:
  explicit ProbeSchedule(const ProbeSettings& settings);

  int step_max() const { return step_max_; }  // 0: nothing is probed

  struct Stretch {
    uint64_t begin, end;  // samples at kSampleRateHz
  };
  // The stretch that `position` lies in, or the next one.
  Stretch stretch_at(uint64_t position) const;

 private:
  int step_max_;
  uint64_t period_samples_;  // from the begin of one stretch to that of the next; 0: all is one
};

}  // namespace soundgate::decode
