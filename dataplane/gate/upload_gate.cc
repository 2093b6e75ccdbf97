#include "dataplane/gate/upload_gate.h"

#include <algorithm>

#include "dataplane/gate/announcement.h"

namespace soundgate {
namespace {

// With the first delimiter, or the line break in front of it. What comes before that otherwise
// (a preamble) nobody sends.
bool begins_like_a_form(Bytes body) {
  return body.front() == std::byte{'-'} || body.front() == std::byte{'\r'};
}

// Why nothing is known of the whole, where no part of it says more.
DataplaneReason reason_of(BodyKind kind) {
  return kind == BodyKind::kPart ? DataplaneReason::partial_upload
                                 : DataplaneReason::http_unsupported;
}

}  // namespace

void report(Core& core, Upload& upload, GateOutcome outcome, DataplaneReason reason) {
  if (!upload.begun) return;
  upload.begun = false;
  report_closed(core, {upload.key, outcome, reason, core.now.wall});
}

void free_slot(Core& core, Flow& flow) {
  if (flow.upload == Flow::kNoUpload) return;
  const uint16_t resource = core.uploads[flow.upload].resource;
  if (resource != UploadTable::kNoResource) {  // it stays, and waits for its next part
    core.resources[resource].slot = Resource::kNone;
    core.resources.set_idle(resource, core.now.tick);
  }
  core.uploads.give(flow.upload);
  flow.upload = Flow::kNoUpload;
}

Upload* UploadGate::open(Flow& flow, const RequestHead& head, int64_t body_bytes, BodyKind kind) {
  const uint16_t slot = core_.uploads.take();
  if (slot == UploadTable::kNone) return nullptr;
  flow.upload = slot;
  Upload& upload = core_.uploads[slot];
  upload.flow = core_.flows.index_of(flow);
  upload.request = flow.requests.heads() - 1;
  upload.phase = UploadPhase::kReceiving;
  upload.begun = true;
  upload.holds = core_.enforcing();
  upload.kind = kind;
  upload.progress = core_.now.tick;
  const SinkResult result =
      announce(core_, flow, head, body_bytes, upload.key, kind == BodyKind::kPart);
  upload.wanted = result == SinkResult::kTaken;
  if (result == SinkResult::kOverload) {
    fail(flow, DataplaneReason::overload);
    return nullptr;
  }
  return &upload;
}

void UploadGate::begin(Flow& flow, const RequestHead& head, int64_t body_bytes, BodyKind kind) {
  if (core_.uploads.live().size() == core_.uploads.count()) {
    fail_request(flow, flow.requests.heads() - 1, DataplaneReason::overload, &head, body_bytes);
    return;
  }
  Upload* upload = open(flow, head, body_bytes, kind);
  if (!upload) return;
  if (flow.requests.chunked()) {
    upload->chunk_limit = upload->chunk_line = flow.client.parsed;
  } else {
    const int64_t tail_bytes = std::clamp<int64_t>(core_.config.tail_bytes, 1, body_bytes);
    upload->tail = flow.client.parsed + static_cast<uint64_t>(body_bytes - tail_bytes);
  }
}

void UploadGate::begin_unchecked(Flow& flow, const RequestHead& head, int64_t body_bytes,
                                 DataplaneReason reason) {
  if (core_.uploads.live().size() == core_.uploads.count()) {
    fail_request(flow, flow.requests.heads() - 1, reason, &head, body_bytes);
  } else if (open(flow, head, body_bytes, BodyKind::kPlain)) {
    fail(flow, reason);
  }
}

bool UploadGate::fail_request(Flow& flow, uint32_t request, DataplaneReason reason,
                              const RequestHead* head, int64_t body_bytes) {
  core_.counters.count(reason);
  const bool blocks = core_.enforcing() && core_.fail_action(reason) == FailAction::kBlock;
  if (head) {
    Upload nameless;
    nameless.key = core_.uploads.next_key(UploadTable::kNone);
    nameless.begun = true;
    (void)announce(core_, flow, *head, body_bytes, nameless.key,
                   reason == DataplaneReason::partial_upload);
    report(core_, nameless, blocks ? GateOutcome::kBlockedUnasked : GateOutcome::kReleasedUnasked,
           reason);
  }
  if (!blocks) return false;
  const uint16_t slot = core_.uploads.take();
  if (slot == UploadTable::kNone) {
    refuser_.reset_both(flow);
    return true;
  }
  flow.upload = slot;
  Upload& upload = core_.uploads[slot];
  upload.flow = core_.flows.index_of(flow);
  upload.request = request;
  upload.holds = true;
  refuser_.start(flow, GateOutcome::kBlockedUnasked, reason, "");
  return true;
}

void UploadGate::end_for_room(Flow& flow) {
  if (flow.upload == Flow::kNoUpload) core_.counters.count(DataplaneReason::overload);
  abort(flow, DataplaneReason::overload);
  refuser_.reset_both(flow);
}

void UploadGate::append(Flow& flow, Bytes body) {
  Upload& upload = core_.uploads[flow.upload];
  upload.progress = core_.now.tick;
  if (upload.resource != UploadTable::kNoResource) {
    append_part(flow, body);
    return;
  }
  if (upload.kind == BodyKind::kForm) {
    if (begins_like_a_form(body)) {
      fail(flow, DataplaneReason::http_unsupported);
      return;
    }
    upload.kind = BodyKind::kWrapped;
  }
  if (upload.left != kNoOffset) {
    body = body.first(std::min<uint64_t>(body.size(), upload.left));
    upload.left -= body.size();
  }
  const bool wanted = upload.wanted && !body.empty();
  const SinkResult result = wanted ? core_.sink.append(upload.key, body) : SinkResult::kTaken;
  if (result == SinkResult::kEnough) upload.wanted = false;
  if (result == SinkResult::kOverload) {
    fail(flow, DataplaneReason::overload);
  } else if (upload.left == 0) {
    complete(flow);  // whatever else its body has, its resource has no room for
  }
}

void UploadGate::append_part(Flow& flow, Bytes body) {
  const DataplaneReason reason = resumable_.append(flow, body);
  if (reason != DataplaneReason::kNone) {
    fail(flow, reason);
  } else if (resumable_.is_whole(flow)) {
    complete(flow);
  }
}

void UploadGate::complete(Flow& flow) {
  Upload& upload = core_.uploads[flow.upload];
  upload.progress = core_.now.tick;
  if (upload.resource != UploadTable::kNoResource) {
    resumable_.end_part(flow);
    return;
  }
  core_.sink.finish(upload.key, core_.now.wall);
  if (upload.holds) {
    upload.phase = UploadPhase::kComplete;
  } else if (upload.kind != BodyKind::kPlain) {
    fail(flow, reason_of(upload.kind));
  } else {
    close(flow, GateOutcome::kReleasedUnasked, DataplaneReason::kNone);
  }
}

void UploadGate::fail(Flow& flow, DataplaneReason reason) {
  core_.counters.count(reason);
  Upload& upload = core_.uploads[flow.upload];
  const bool blocks = core_.fail_action(reason) == FailAction::kBlock;
  if (upload.holds && (blocks || resumable_.is_refused(upload))) {
    resumable_.block(flow, GateOutcome::kBlockedUnasked, reason, "");
    refuser_.start(flow, GateOutcome::kBlockedUnasked, reason, "");
  } else {
    close(flow, GateOutcome::kReleasedUnasked, reason);
  }
}

Flow* UploadGate::decide(const GateDecision& decision) {
  uint16_t slot = core_.uploads.find(decision.key);
  if (slot == UploadTable::kNone) slot = resumable_.decide(decision);
  if (slot == UploadTable::kNone) return nullptr;
  Flow& flow = core_.flows[core_.uploads[slot].flow];
  decide(flow, decision);
  return &flow;
}

void UploadGate::decide(Flow& flow, const GateDecision& decision) {
  Upload& upload = core_.uploads[flow.upload];
  const bool open =
      upload.phase == UploadPhase::kReceiving || upload.phase == UploadPhase::kComplete;
  if (!open || !upload.holds) return;
  if (decision.block) {
    resumable_.block(flow, GateOutcome::kBlocked, DataplaneReason::kNone, decision.upload_id);
    refuser_.start(flow, GateOutcome::kBlocked, DataplaneReason::kNone, decision.upload_id);
  } else if (resumable_.is_partial(upload) || resumable_.is_refused(upload)) {
    fail(flow, DataplaneReason::partial_upload);
  } else if (upload.kind != BodyKind::kPlain) {
    fail(flow, reason_of(upload.kind));  // of what was inside, nothing is known
  } else {
    close(flow, GateOutcome::kReleased, DataplaneReason::kNone);
  }
}

void UploadGate::abort(Flow& flow, DataplaneReason reason) {
  Upload* upload = core_.upload_of(flow);
  if (!upload) return;
  if (upload->resource != UploadTable::kNoResource) {
    resumable_.leave_part(flow);
    return;
  }
  if (upload->begun) core_.counters.count(reason);
  close(flow, GateOutcome::kAborted, reason);
}

void UploadGate::close(Flow& flow, GateOutcome outcome, DataplaneReason reason) {
  Upload& upload = core_.uploads[flow.upload];
  if (upload.resource != UploadTable::kNoResource) {
    resumable_.release(flow, outcome, reason);
    return;
  }
  report(core_, upload, outcome, reason);
  free_slot(core_, flow);
}

uint64_t UploadGate::limit(const Flow& flow) const {
  if (flow.phase != FlowPhase::kInspected) return kNoOffset;
  const Upload* upload = flow.upload == Flow::kNoUpload ? nullptr : &core_.uploads[flow.upload];
  if (upload && upload->phase == UploadPhase::kTurnWait) return flow.client.limit;
  if (upload && upload->holds) {
    return std::min(upload->tail, upload->chunk_limit);
  }
  if (!core_.enforcing()) return kNoOffset;
  const bool counted_body = flow.requests.in_body() && !flow.requests.chunked();
  return flow.client.parsed + (counted_body ? flow.requests.body_bytes() : 0);
}

}  // namespace soundgate
