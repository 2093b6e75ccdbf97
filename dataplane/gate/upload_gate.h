// The gate: what becomes of each upload on the connections of one lcore. It tells the sink what
// comes and how it went, says how far the client's bytes may go, and lets go or refuses.
// Invariant: each upload that was begun is closed exactly once.
// Thread: the owning lcore.
#pragma once

#include "dataplane/core.h"
#include "dataplane/gate/refuser.h"
#include "dataplane/gate/resumable_uploads.h"

namespace soundgate {

class UploadGate {
 public:
  UploadGate(Core& core, Refuser& refuser, ResumableUploads& resumable)
      : core_(core), refuser_(refuser), resumable_(resumable) {}

  // The head of a request that is to be inspected has been read. Afterwards the flow has an upload,
  // or it passes (for want of room), or it is being refused.
  void begin(Flow& flow, const RequestHead& head, int64_t body_bytes, BodyKind kind);

  // The same for one that cannot be inspected: its reason decides, at once.
  void begin_unchecked(Flow& flow, const RequestHead& head, int64_t body_bytes,
                       DataplaneReason reason);

  // A request that gets no upload of its own here. head: what is known of it where it has an upload
  // in it, which the sink is told of, or null. True when it is being refused.
  bool fail_request(Flow& flow, uint32_t request, DataplaneReason reason, const RequestHead* head,
                    int64_t body_bytes);

  // Both ends are reset, so that others find room.
  void end_for_room(Flow& flow);

  // For flows whose upload is in the phase kReceiving.
  void append(Flow& flow, Bytes body);
  void complete(Flow& flow);

  // No decision is going to come, for this reason: its fail policy decides.
  void fail(Flow& flow, DataplaneReason reason);

  // Returns the flow whose client path has to be resumed, where the upload passes; null where none
  // waits for it.
  Flow* decide(const GateDecision& decision);

  // One of the ends has left. Without an upload: nothing.
  void abort(Flow& flow, DataplaneReason reason);

  // How far the client's bytes may go to the origin. (kNoOffset: all.)
  uint64_t limit(const Flow& flow) const;

 private:
  Upload* open(Flow& flow, const RequestHead& head, int64_t body_bytes, BodyKind kind);
  void append_part(Flow& flow, Bytes body);
  void decide(Flow& flow, const GateDecision& decision);
  void close(Flow& flow, GateOutcome outcome, DataplaneReason reason);

  Core& core_;
  Refuser& refuser_;
  ResumableUploads& resumable_;
};

// The upload's slot has served.
void free_slot(Core& core, Flow& flow);

// Tells the sink, once, and counts.
void report(Core& core, Upload& upload, GateOutcome outcome, DataplaneReason reason);

}  // namespace soundgate
