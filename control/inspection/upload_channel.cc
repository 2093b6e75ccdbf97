#include "control/inspection/upload_channel.h"

namespace soundgate {

GateDecision gate_decision(const UploadSlot& slot) {
  GateDecision decision;
  decision.key = slot.key;
  decision.block = slot.blocks.load(std::memory_order_relaxed);
  std::copy(slot.upload_id.begin(), slot.upload_id.end(), decision.upload_id);
  return decision;
}

}  // namespace soundgate
