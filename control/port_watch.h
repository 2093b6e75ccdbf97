// Notices that frames come in a way in which no cable would bring them, and says what to do.
// Thread: one.
#pragma once

#include <chrono>
#include <string>

#include "dataplane/dataplane.h"

namespace soundgate {

// "" where nothing is odd about what was counted.
std::string offload_advice(const DataplaneCounters& counters);

class PortWatch {
 public:
  using Time = std::chrono::steady_clock::time_point;

  // The advice, when it is new or was last given long ago; else "".
  std::string look(const DataplaneCounters& counters, Time now);

 private:
  static constexpr std::chrono::minutes kAgain{10};
  uint64_t odd_frames_ = 0;  // when it was last given
  Time quiet_until_{};
};

}  // namespace soundgate
