// What is different where packets are only seen, as copies (Placement::kTap, kReplay): which way
// one goes has to be found out, nothing waits here, and a copy that was lost never comes again.
// Thread: the owning lcore.
#pragma once

#include "dataplane/core.h"
#include "dataplane/gate/upload_gate.h"

namespace soundgate {

class Mirrored {
 public:
  Mirrored(Core& core, UploadGate& gate) : core_(core), gate_(gate) {}

  // Which end sent it: told by the inspected port, or, where that could be either, by what is
  // known of the connection, by the SYN, and at last by the smaller port, which is the origin's.
  Side sender(const Frame& frame);

  // After every segment of a connection that is inspected.
  void on_client_segment(Flow& flow);
  void on_origin_segment(Flow& flow, const Frame& frame);

 private:
  void end_at_gap(Flow& flow);

  Core& core_;
  UploadGate& gate_;
};

}  // namespace soundgate
