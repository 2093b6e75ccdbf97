// Time as the core knows it: handed in with every call, never read.
#pragma once

#include <chrono>

#include "dataplane/upload.h"

namespace soundgate {

using Tick = std::chrono::nanoseconds;  // monotonic, from any start

struct Now {
  Tick tick{};
  WallTime wall{};
};

}  // namespace soundgate
