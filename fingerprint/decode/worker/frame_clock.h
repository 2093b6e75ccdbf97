// Where packets and frames lie in the audio, by the times that they say: counted from the first
// frame, and after set() from where that was. Times come from the file: any number may come.
// Thread: the stream's fiber.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <optional>

#include "fingerprint/decode/worker/libav_ptr.h"

namespace soundgate::decode {

class FrameClock {
 public:
  explicit FrameClock(AVRational time_base) : seconds_per_tick_(av_q2d(time_base)) {
    if (!(seconds_per_tick_ > 0) || !std::isfinite(seconds_per_tick_)) seconds_per_tick_ = 1;
  }

  // pts: of a frame; AV_NOPTS_VALUE where it says none.
  void see(int64_t pts) {
    if (!first_pts_ && pts != AV_NOPTS_VALUE) first_pts_ = pts;
  }
  bool has_begun() const { return first_pts_.has_value(); }
  // The frame of this pts lies there, and others count on from it.
  void set(int64_t pts, double seconds) {
    if (pts == AV_NOPTS_VALUE) return;
    first_pts_ = later(pts, -seconds);
  }

  // Nothing: before the first frame, or no time is said.
  std::optional<double> seconds(int64_t pts) const {
    if (!first_pts_ || pts == AV_NOPTS_VALUE || pts < *first_pts_) return std::nullopt;
    const uint64_t since = static_cast<uint64_t>(pts) - static_cast<uint64_t>(*first_pts_);
    return static_cast<double>(since) * seconds_per_tick_;
  }
  double seconds_of(int64_t ticks) const { return static_cast<double>(ticks) * seconds_per_tick_; }
  int64_t ticks(double seconds) const {
    constexpr double kTicksMax = 4e18;
    return std::llround(std::clamp(seconds / seconds_per_tick_, -kTicksMax, kTicksMax));
  }
  // So many seconds on; far from 0 it wraps.
  int64_t later(int64_t pts, double seconds) const {
    return static_cast<int64_t>(static_cast<uint64_t>(pts) + static_cast<uint64_t>(ticks(seconds)));
  }

 private:
  double seconds_per_tick_;
  std::optional<int64_t> first_pts_;
};

}  // namespace soundgate::decode
