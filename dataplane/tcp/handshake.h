// How connections open: the client's SYN makes an entry, the origin's SYN-ACK makes it count.
// A SYN on a connection that is known changes nothing until the origin accepts it: a forged one
// must not switch the inspection off. SYNs lose the options and the data that would get around it.
// Thread: the owning lcore.
#pragma once

#include "dataplane/core.h"
#include "dataplane/gate/upload_gate.h"

namespace soundgate {

class Handshake {
 public:
  Handshake(Core& core, UploadGate& gate) : core_(core), gate_(gate) {}

  // flow: null where none is known. Both always forward the frame, or refuse it.
  void on_client_syn(Flow* flow, Frame& frame);
  void on_origin_syn(Flow* flow, Frame& frame);

 private:
  void no_entry(const Frame& frame);
  void expect(Flow& flow, const Frame& frame);
  void accept(Flow& flow, const Frame& frame);
  bool opens_unseen(const Flow* flow, const Frame& frame) const;
  void forward(Side to, Frame& frame);

  Core& core_;
  UploadGate& gate_;
};

}  // namespace soundgate
