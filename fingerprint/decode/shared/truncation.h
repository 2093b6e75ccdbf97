// How much shorter than its headers promise a stream may be before it is called truncated: encoders
// round, and leave out padding.
#pragma once

#include <algorithm>

namespace soundgate::decode {

inline constexpr double kTruncatedSecondsMin = 0.5;
inline constexpr double kTruncatedShareMin = 0.01;

inline bool falls_short(double audio_seconds, double promised_seconds) {
  return promised_seconds - audio_seconds >
         std::max(kTruncatedSecondsMin, kTruncatedShareMin * promised_seconds);
}

}  // namespace soundgate::decode
