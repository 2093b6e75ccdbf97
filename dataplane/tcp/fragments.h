// IP fragments of the client's segments: they are not put together (README, decision 9). The first
// one of a segment is dropped, or passes and ends the inspection of its connection.
// Thread: the owning lcore.
#pragma once

#include "dataplane/core.h"
#include "dataplane/gate/upload_gate.h"

namespace soundgate {

class Fragments {
 public:
  Fragments(Core& core, UploadGate& gate) : core_(core), gate_(gate) {}

  // A kTcpFragment to an inspected port. Forwards it, or drops and counts it.
  void on_client_fragment(const Frame& frame);

 private:
  bool may_pass_unread(const Flow* flow, bool counts);

  Core& core_;
  UploadGate& gate_;
};

}  // namespace soundgate
