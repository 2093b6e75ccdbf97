// The time of a capture, from the timestamps of its packets. It never goes back. One that is far
// ahead may be damaged: everything would expire, and time stand still from then on. It counts when
// the next one agrees with it. (Of the first nothing can be said.)
// Input: microseconds since 1970, any number. Output: the time of the packet.
// Thread: the owning lcore.
#pragma once

#include <algorithm>
#include <cstdint>

#include "dataplane/clock.h"
#include "dataplane/limits.h"

namespace soundgate {

class CaptureTime {
 public:
  Tick follow(uint64_t microseconds) {
    constexpr auto kLast = std::chrono::duration_cast<std::chrono::microseconds>(Tick::max());
    const auto most = static_cast<uint64_t>(kLast.count());
    if (microseconds > most) return now_;  // no time at all
    const Tick time = std::chrono::microseconds(static_cast<int64_t>(microseconds));
    const bool is_far = began_ && time > now_ && time - now_ > kCaptureJumpMax;
    const bool agrees = is_far && time >= far_ && time - far_ <= kCaptureJumpMax;
    if (is_far) far_ = time;
    if (!is_far || agrees) now_ = std::max(now_, time);
    began_ = true;
    return now_;
  }

 private:
  Tick now_{};
  Tick far_ = Tick::max();  // the last one that was far ahead
  bool began_ = false;
};

}  // namespace soundgate
