#include "control/watchdog.h"

#include <utility>

namespace soundgate {

void Watchdog::watch(std::string part, std::chrono::milliseconds silence_max,
                     std::function<Pulse()> pulse) {
  parts_.push_back({std::move(part), silence_max, std::move(pulse)});
}

bool Watchdog::look(Clock::time_point now) {
  const bool was_away = now - last_look_ > kLookGapMax;
  last_look_ = now;
  std::vector<std::string> stuck;
  for (Part& part : parts_) {
    const Pulse pulse = part.pulse();
    if (was_away || pulse.idle || pulse.beats != part.beats) part.beaten = now;
    part.beats = pulse.beats;
    if (now - part.beaten > part.silence_max) stuck.push_back(part.name);
  }
  const std::lock_guard lock(mutex_);
  stuck_ = std::move(stuck);
  return stuck_.empty();
}

std::vector<std::string> Watchdog::stuck() const {
  const std::lock_guard lock(mutex_);
  return stuck_;
}

}  // namespace soundgate
