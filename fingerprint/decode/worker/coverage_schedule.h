// Which stretches of an upload a worker decodes: of each period a share, from its begin on; or the
// periods that are its part, where several workers share the upload.
// It follows from the settings and the position in the audio alone, as a ProbeSchedule does.
// Thread: any; a value.
#pragma once

#include "fingerprint/decode/decoder_pool.h"
#include "fingerprint/decode/shared/division.h"

namespace soundgate::decode {

class CoverageSchedule {
 public:
  explicit CoverageSchedule(const CoverageSettings& settings, const Division& division = {})
      : settings_(settings), division_(division) {}

  // The first moment from `seconds` on that is decoded: that itself, or the next stretch's begin.
  double next_wanted(double seconds) const {
    if (!division_.is_whole()) return next_of_part(seconds);
    return settings_.share < 1 ? next_of_share(seconds) : seconds;
  }

 private:
  double next_of_share(double seconds) const;
  double next_of_part(double seconds) const;

  CoverageSettings settings_;
  Division division_;
};

}  // namespace soundgate::decode
