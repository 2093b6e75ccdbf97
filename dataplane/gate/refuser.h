// Refuses an upload: answers the client in the origin's place, and resets the origin.
// The answer waits for its turn behind the responses to earlier requests. Where the origin has
// begun to answer this very request, or where its responses cannot be followed, both ends get a
// reset instead.
// Meanwhile nothing more goes to the origin. What the client still sends is acknowledged and
// dropped: a client that is reset in mid-upload would never read the answer.
// Thread: the owning lcore.  Source: RFC 5961 (resets and challenges), RFC 9293.
#pragma once

#include <string_view>

#include "dataplane/core.h"

namespace soundgate {

class Refuser {
 public:
  explicit Refuser(Core& core) : core_(core) {}

  // For a flow that has an upload.
  void start(Flow& flow, GateOutcome outcome, DataplaneReason reason, std::string_view upload_id);
  // For one that has none: this request of it takes a slot. Where there is none, both ends get a
  // reset.
  void refuse_request(Flow& flow, uint32_t request, GateOutcome outcome, DataplaneReason reason,
                      std::string_view upload_id);

  // Answers if it is this request's turn. To be called while the upload is in kTurnWait, whenever
  // something came from either end.
  void try_answer(Flow& flow);

  // While the flow is in kRefusing or kRefused. Nothing of these is forwarded.
  void on_client_segment(Flow& flow, const Frame& frame);
  void on_origin_segment(Flow& flow, const Frame& frame);

  void on_timer(Flow& flow);

  void reset_both(Flow& flow);

 private:
  void answer(Flow& flow);
  void transmit(Flow& flow, Upload& upload);
  void reset_origin_again(Flow& flow, Upload& upload);
  bool receive(Upload& upload, const Flow& flow, const Frame& frame);
  void finish(Flow& flow);

  Core& core_;
};

}  // namespace soundgate
