// What the dataplane counts, at DPDK's telemetry socket (dpdk-telemetry.py), beside what DPDK
// itself says there: /soundgate/counters, /soundgate/reasons, /soundgate/ports. Thread: made and
// destroyed by the one that owns the dataplane; the commands run on DPDK's own.
#pragma once

#include "dataplane/dataplane.h"

namespace soundgate {

// The commands answer for this dataplane as long as this is there; one at a time in a process.
class Telemetry {
 public:
  explicit Telemetry(const Dataplane& dataplane);
  ~Telemetry();
  Telemetry(const Telemetry&) = delete;
  Telemetry& operator=(const Telemetry&) = delete;
};

}  // namespace soundgate
