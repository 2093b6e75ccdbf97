#include "fingerprint/decode/worker/coverage_schedule.h"

#include <cmath>

namespace soundgate::decode {
namespace {

// Decoded before a part's period, so that its first item has what a filter looks back at.
constexpr double kLeadSeconds = 0.1;

}  // namespace

double CoverageSchedule::next_of_share(double seconds) const {
  const double period = settings_.period_seconds;
  const double begin = std::floor(seconds / period) * period;
  return seconds < begin + settings_.share * period ? seconds : begin + period;
}

// The items that begin in a period need what follows it, for as long as an item lasts.
double CoverageSchedule::next_of_part(double seconds) const {
  const auto period = static_cast<uint32_t>((seconds + kLeadSeconds) / kDivisionSeconds);
  if (division_.owns(period)) return seconds;
  const double into_period = seconds - period * kDivisionSeconds;
  if (period > 0 && division_.owns(period - 1) && into_period < kItemSpanSeconds) return seconds;
  return division_.next_owned(period) * kDivisionSeconds - kLeadSeconds;
}

}  // namespace soundgate::decode
