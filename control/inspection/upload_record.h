// From an upload that has left the gate to its decision: a pure function.
#pragma once

#include <optional>
#include <string>

#include "control/decisions/decision.h"
#include "control/inspection/upload_channel.h"
#include "control/policy/fail_policy.h"

namespace soundgate {

// What the lcore announced of an upload, as the recorder knows it.
struct UploadTrail {
  bool open = false;  // begun, and its slot not free again
  std::optional<WallTime> last_byte;
  std::optional<GateReport> gate;
  bool end_follows = false;
  uint64_t closed_number = 0;  // of all that have closed, from 1
  bool recorded = false;       // the row is written; late evidence may follow
};

// finding: null where the decoder was not heard of.
Decision make_decision(const UploadSlot& slot, const UploadTrail& trail, const Finding* finding,
                       const FailPolicy& policy, const std::string& policy_version);

}  // namespace soundgate
