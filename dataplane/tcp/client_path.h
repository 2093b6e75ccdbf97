// The way of the client's segments to the origin, on connections that are inspected: each new byte
// is stored, read, and then its segment is sent on or held.
// Invariants: no byte at or beyond client.limit goes to the origin, by any way but one: behind a
// gap in a form, what completes no delimiter (UploadGate::may_go_ahead). The origin gets for each
// offset the byte that was read first (README, "First data wins").
// Thread: the owning lcore.
#pragma once

#include "dataplane/core.h"
#include "dataplane/http/request_reader.h"

namespace soundgate {

class ClientPath {
 public:
  ClientPath(Core& core, UploadGate& gate, RequestReader& reader)
      : core_(core), gate_(gate), reader_(reader) {}

  void on_segment(Flow& flow, Frame& frame);

  // Reads on and sends what was held, as far as it may go now.
  void resume(Flow& flow);

 private:
  // Where a segment lies in the stream: its new part is [begin, end).
  struct Extent {
    uint64_t begin = 0;
    uint64_t end = 0;
    bool fin = false;
  };

  void on_reset(Flow& flow, const Frame& frame);
  void note_header(Flow& flow, const Frame& frame);
  void on_data(Flow& flow, Frame& frame);
  bool is_out_of_reach(const Flow& flow, const Extent& extent) const;
  bool makes_sense(const Flow& flow, const Extent& extent) const;
  bool store(Flow& flow, const Frame& frame, const Extent& extent);
  void no_room(Flow& flow, const Frame& frame);
  void forward_or_hold(Flow& flow, const Frame& frame, const Extent& extent);
  void hold(Flow& flow, const Extent& extent);
  void send_held(Flow& flow);
  // False when the connection has been ended.
  bool check_fin(Flow& flow);
  // It goes no further; observing, it goes on unread.
  void refuse_segment(const Flow& flow, const Frame& frame);

  Core& core_;
  UploadGate& gate_;
  RequestReader& reader_;
};

// Sends all that is held, whatever the limit was, and stops following the connection.
void let_go(Core& core, Flow& flow, FlowPhase phase);

}  // namespace soundgate
