// Whether every part that has to go on goes on. A part shows it by beats that count up, or says
// that it is idle; one that has done neither for too long is stuck, and somebody should end us.
// Where nobody looked for a while (the machine stood still), nobody is blamed for that while.
// Thread: watch() before the first look; look() from one; stuck() from any.  Time is passed in.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <mutex>
#include <string>
#include <vector>

namespace soundgate {

class Watchdog {
 public:
  using Clock = std::chrono::steady_clock;
  // A gap between two looks that is longer says nothing about the parts.
  static constexpr std::chrono::seconds kLookGapMax{2};

  struct Pulse {
    uint64_t beats = 0;
    bool idle = false;  // it waits for work
  };

  void watch(std::string part, std::chrono::milliseconds silence_max, std::function<Pulse()> pulse);

  // Looks at every part. Returns whether all are well.
  bool look(Clock::time_point now);
  // Which were not at the last look.
  std::vector<std::string> stuck() const;

 private:
  struct Part {
    std::string name;
    std::chrono::milliseconds silence_max;
    std::function<Pulse()> pulse;
    uint64_t beats = 0;
    Clock::time_point beaten{};
  };

  std::vector<Part> parts_;
  Clock::time_point last_look_{};
  mutable std::mutex mutex_;
  std::vector<std::string> stuck_;
};

}  // namespace soundgate
