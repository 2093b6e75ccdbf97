#include "fingerprint/decode/worker/coverage_schedule.h"

#include <cmath>

namespace soundgate::decode {

double CoverageSchedule::next_wanted(double seconds) const {
  if (settings_.share >= 1) return seconds;
  const double period = settings_.period_seconds;
  const double begin = std::floor(seconds / period) * period;
  return seconds < begin + settings_.share * period ? seconds : begin + period;
}

}  // namespace soundgate::decode
