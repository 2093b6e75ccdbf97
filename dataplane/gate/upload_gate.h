// The gate: what becomes of each upload on the connections of one lcore. It tells the sink what
// comes and how it went, says how far the client's bytes may go, and lets go or refuses.
// Invariant: each upload that was begun is closed exactly once.
// Thread: the owning lcore.
#pragma once

#include "dataplane/core.h"
#include "dataplane/gate/announcement.h"
#include "dataplane/gate/refuser.h"
#include "dataplane/gate/resumable_uploads.h"

namespace soundgate {

class UploadGate {
 public:
  UploadGate(Core& core, Refuser& refuser, ResumableUploads& resumable)
      : core_(core), refuser_(refuser), resumable_(resumable) {}

  // The head of a request that is to be inspected has been read. Afterwards the flow has an upload,
  // or it passes (for want of room), or it is being refused.
  void begin(Flow& flow, const RequestHead& head, int64_t body_bytes, BodyKind kind,
             ContentCoding coding = ContentCoding::kNone);

  // The same for a request that concerns an upload in parts (body_bytes: 0 none, -1 chunked). Only
  // where it is kTaken the gate has it now; else begin() is next, where it has a body.
  ResumableUploads::Way begin_step(Flow& flow, const RequestHead& head,
                                   const UploadRequest& request, int64_t body_bytes);

  // The same for a part of the flow's form, whose head has been read.
  void begin_part(Flow& flow, const Form& form, BodyKind kind);

  // The same for a body that was taken for a form, and is none. Its first bytes have been read.
  void begin_behind(Flow& flow, const Form& form);

  // Why an operator wants this upload to pass unchecked (Intake); kNone: he does not. To be asked
  // before any part of its body begins.
  DataplaneReason reason_to_pass(const Flow& flow, const RequestHead& head) const;

  // The same for one that cannot be inspected: its reason decides, at once.
  void begin_unchecked(Flow& flow, const RequestHead& head, int64_t body_bytes,
                       DataplaneReason reason, ContentCoding coding = ContentCoding::kNone);

  // A request that gets no upload of its own here. head: what is known of it where it has an upload
  // in it, which the sink is told of, or null. True when it is being refused.
  bool fail_request(Flow& flow, uint32_t request, DataplaneReason reason, const RequestHead* head,
                    int64_t body_bytes);

  // Both ends are reset, so that others find room.
  void end_for_room(Flow& flow);

  // The upload will never be whole, and what is held of it must not get through: likewise.
  void give_up(Flow& flow);

  // For flows whose upload is in the phase kReceiving.
  void watch_pace(Flow& flow);
  // Whether it has given up its decoder to another. Its fail policy has decided then; where it
  // passes, the flow's client path has to be resumed.
  bool has_given_way(Flow& flow);
  void append(Flow& flow, Bytes body);
  void complete(Flow& flow);

  // No decision is going to come, for this reason: its fail policy decides.
  void fail(Flow& flow, DataplaneReason reason);

  // Returns the flow whose client path has to be resumed, where the upload passes; null where none
  // waits for it.
  Flow* decide(const GateDecision& decision);

  // One of the ends has left. Without an upload: nothing.
  void abort(Flow& flow, DataplaneReason reason);

  // The client has stood still in the middle of what may be a delimiter: what is not a whole one
  // tells the origin nothing, and may keep the client from sending the rest. True where some may
  // go.
  bool loosen_delimiter(Flow& flow);

  // How far the client's bytes may go to the origin. (kNoOffset: all.)
  uint64_t limit(const Flow& flow) const;
  // Whether stored bytes behind a gap may go, too, though nobody has read them.
  bool may_go_ahead(const Flow& flow, uint64_t begin, uint64_t end) const;

 private:
  void stop_wanting(Upload& upload);
  bool fail_request(Flow& flow, uint32_t request, DataplaneReason reason, const RequestHead* head,
                    UploadFacts facts);
  bool has_slot();
  bool has_slot(Flow& flow, const RequestHead& head, const UploadFacts& facts);
  Upload* open(Flow& flow, const RequestHead& head, const UploadFacts& facts);
  void append_part(Flow& flow, Bytes body);
  void decide(Flow& flow, const GateDecision& decision);
  uint64_t form_limit(const Flow& flow, const Form& form, const Upload* upload) const;
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
