#include "fingerprint/decode/worker/probe_schedule.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "fingerprint/decode/limits.h"

namespace soundgate::decode {
namespace {

constexpr auto kStretchSamples = static_cast<uint64_t>(kProbeStretchSeconds * kSampleRateHz);

uint64_t period_samples(const ProbeSettings& settings) {
  const double cost = 2 * settings.step_max * kProbeCost;  // of a second that is probed
  if (settings.cpu_share >= cost) return 0;
  const double seconds =
      std::min(kProbeStretchSeconds * cost / settings.cpu_share, kProbePeriodSecondsMax);
  return static_cast<uint64_t>(std::llround(seconds * kSampleRateHz));
}

}  // namespace

// A share of nothing is none, not even the first stretch.
ProbeSchedule::ProbeSchedule(const ProbeSettings& settings)
    : step_max_(settings.cpu_share > 0 ? settings.step_max : 0),
      period_samples_(period_samples(settings)) {}

ProbeSchedule::Stretch ProbeSchedule::stretch_at(uint64_t position) const {
  if (period_samples_ == 0) return {0, std::numeric_limits<uint64_t>::max()};
  const uint64_t begin = position / period_samples_ * period_samples_;
  if (position < begin + kStretchSamples) return {begin, begin + kStretchSamples};
  return {begin + period_samples_, begin + period_samples_ + kStretchSamples};
}

}  // namespace soundgate::decode
