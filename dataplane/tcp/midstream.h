// Connections whose beginning was not seen. They pass, counted, until a request begins where it
// can be recognised: on a connection at rest, or with a whole request line. From there they are
// inspected like any other (tcp.midstream = resync); or they stay unseen (pass), or are reset.
// Enforcing, the first payload that begins no request is kept back until it comes again: README,
// decision 14.
// Thread: the owning lcore.
#pragma once

#include "dataplane/core.h"

namespace soundgate {

class Midstream {
 public:
  explicit Midstream(Core& core) : core_(core) {}

  // A segment of a connection that is in no table; makes an entry for it where that helps.
  // Null when the frame has been dealt with.
  Flow* open(const Frame& frame);

  // Flows in kMidstream and kPassing. True: it has just become kInspected, and this segment is its
  // first; nothing was done with the frame yet. Otherwise the frame was forwarded, or kept back.
  bool on_client_segment(Flow& flow, const Frame& frame);
  void on_origin_segment(Flow& flow, const Frame& frame);

 private:
  bool comes_again(const MidstreamWatch& watch, const Frame& frame) const;
  bool keep_back(MidstreamWatch& watch, const Frame& frame) const;
  bool starts_request(const Flow& flow, const Frame& frame) const;
  void adopt(Flow& flow, const Frame& frame);
  void reset(Flow& flow, const Frame& frame);

  Core& core_;
};

}  // namespace soundgate
