#include "dataplane/gate/upload_gate.h"

#include <algorithm>
namespace soundgate {
namespace {

// Why nothing is known of the whole, where no part of it says more.
DataplaneReason reason_of(BodyKind kind) {
  return kind == BodyKind::kPart ? DataplaneReason::partial_upload
                                 : DataplaneReason::http_unsupported;
}

}  // namespace

void report(Core& core, Upload& upload, GateOutcome outcome, DataplaneReason reason) {
  if (!upload.begun) return;
  upload.begun = false;
  if (const uint16_t slot = core.uploads.find(upload.key); slot != UploadTable::kNone) {
    core.decoders.remove(slot);
    core.places.remove(slot);
  }
  report_closed(core, {upload.key, outcome, reason, core.now.wall});
}

void free_slot(Core& core, Flow& flow) {
  if (flow.upload == Flow::kNoUpload) return;
  const uint16_t index = core.uploads[flow.upload].resource;
  if (index != UploadTable::kNoResource) {  // it stays, and waits for its next part
    Resource& resource = core.resources[index];
    resource.slot = Resource::kNone;
    core.resources.set_idle(index, core.now.tick);
    if (!resource.is_whole() && resource.wanted) core.waiting.add(index, flow.key);
  }
  core.decoders.remove(flow.upload);
  core.places.remove(flow.upload);
  core.uploads.give(flow.upload);
  flow.upload = Flow::kNoUpload;
}

// When all slots are taken, a refusal that its client does not take makes room (it is reported, and
// ends with resets instead), or else an upload that hardly comes: whoever holds slots with
// thousands of slow bodies ends his own. Observing, it only is not inspected any more.
bool UploadGate::has_slot() {
  UploadTable& uploads = core_.uploads;
  if (uploads.live().size() < uploads.count()) return true;
  uint16_t slow = UploadTable::kNone;
  for (size_t count = 0; count < kUploadsScannedForRoom; ++count) {
    const uint16_t slot = uploads.next_in_turn();
    const Upload& upload = uploads[slot];
    const bool refuses =
        upload.phase == UploadPhase::kTurnWait || upload.phase == UploadPhase::kRefusing;
    if (refuses && core_.now.tick - upload.began_refusing >= kRefusalAgeMin) {
      refuser_.reset_both(core_.flows[upload.flow]);
      return true;
    }
    if (upload.slow && upload.phase == UploadPhase::kReceiving) slow = slot;
  }
  if (slow == UploadTable::kNone) return false;
  Flow& flow = core_.flows[uploads[slow].flow];
  if (uploads[slow].holds) {
    end_for_room(flow);
  } else {
    fail(flow, DataplaneReason::overload);
  }
  return true;
}

// It is closed by its timer and not by another's head, whose bytes are being read.
bool UploadGate::has_given_way(Flow& flow) {
  if (!core_.uploads[flow.upload].gives_way) return false;
  fail(flow, DataplaneReason::gave_way);
  return true;
}

void UploadGate::stop_wanting(Upload& upload) {
  upload.wanted = false;
  core_.decoders.remove(core_.uploads.find(upload.key));
}

void UploadGate::watch_pace(Flow& flow) {
  Upload& upload = core_.uploads[flow.upload];
  if (core_.now.tick - upload.window_began < kUploadPaceWindow) return;
  upload.slow = flow.client.parsed - upload.window_from < kUploadPaceBytesMin;
  upload.watch_pace_from(flow.client.parsed, core_.now.tick);
}

Upload* UploadGate::open(Flow& flow, const RequestHead& head, const UploadFacts& facts) {
  const uint16_t slot = core_.uploads.take();
  if (slot == UploadTable::kNone) return nullptr;
  flow.upload = slot;
  Upload& upload = core_.uploads[slot];
  upload.flow = core_.flows.index_of(flow);
  upload.request = flow.requests.heads() - 1;
  upload.phase = UploadPhase::kReceiving;
  upload.begun = true;
  upload.holds = facts.holds;
  upload.kind = facts.kind;
  upload.progress = core_.now.tick;
  upload.watch_pace_from(flow.client.parsed, core_.now.tick);
  UploadFacts told = facts;
  told.may_decode = facts.may_decode && resumable_.make_way(flow);
  core_.places.add(slot, flow.key);
  const SinkResult result = announce(core_, flow, head, told, upload.key);
  upload.wanted = result == SinkResult::kTaken;
  if (upload.wanted) core_.decoders.add(slot, flow.key);
  if (result == SinkResult::kOverload) {
    fail(flow, DataplaneReason::overload);
    return nullptr;
  }
  return &upload;
}

bool UploadGate::has_slot(Flow& flow, const RequestHead& head, const UploadFacts& facts) {
  if (has_slot()) return true;
  fail_request(flow, flow.requests.heads() - 1, DataplaneReason::overload, &head, facts);
  return false;
}

// What the operator says of new uploads comes first.
DataplaneReason UploadGate::reason_to_pass(const Flow& flow, const RequestHead& head) const {
  if (!core_.config.intake) return DataplaneReason::kNone;
  const std::string_view host = effective_host(head.target.view(), head.host.view());
  return core_.config.intake->reason_to_pass(core_.index, flow.key, host, core_.now.wall);
}

void UploadGate::begin(Flow& flow, const RequestHead& head, int64_t body_bytes, BodyKind kind,
                       ContentCoding coding) {
  const UploadFacts facts{.body_bytes = body_bytes,
                          .holds = core_.enforcing(),
                          .kind = kind,
                          .coding = coding,
                          .of_resource = kind == BodyKind::kPart};
  Upload* upload = has_slot(flow, head, facts) ? open(flow, head, facts) : nullptr;
  if (!upload) return;
  if (flow.requests.chunked()) {
    upload->chunk_limit = upload->chunk_line = flow.client.parsed;
  } else {
    const int64_t tail_bytes = std::clamp<int64_t>(core_.config.tail_bytes, 1, body_bytes);
    upload->tail = flow.client.parsed + static_cast<uint64_t>(body_bytes - tail_bytes);
  }
}

ResumableUploads::Way UploadGate::begin_step(Flow& flow, const RequestHead& head,
                                             const UploadRequest& request, int64_t body_bytes) {
  // With none it is overload, in whatever way it begins.
  if (body_bytes != 0) (void)has_slot();
  return resumable_.begin(flow, head, request, body_bytes);
}

void UploadGate::begin_part(Flow& flow, const Form& form, BodyKind kind) {
  const UploadFacts facts{.holds = form.holds, .kind = kind, .form = &form.reader};
  if (has_slot(flow, form.head, facts)) (void)open(flow, form.head, facts);
}

void UploadGate::begin_behind(Flow& flow, const Form& form) {
  const UploadFacts facts{
      .body_bytes = form.body_bytes, .holds = form.holds, .kind = BodyKind::kWrapped};
  Upload* upload = has_slot(flow, form.head, facts) ? open(flow, form.head, facts) : nullptr;
  if (!upload) return;
  if (flow.requests.chunked()) {
    constexpr uint64_t kLineBreakBytes = 2;
    upload->chunk_limit = flow.client.parsed + flow.requests.data_bytes() + kLineBreakBytes;
  } else {
    const int64_t tail_bytes = std::clamp<int64_t>(core_.config.tail_bytes, 1, form.body_bytes);
    upload->tail = form.body_begin + static_cast<uint64_t>(form.body_bytes - tail_bytes);
  }
}

void UploadGate::begin_unchecked(Flow& flow, const RequestHead& head, int64_t body_bytes,
                                 DataplaneReason reason, ContentCoding coding) {
  const UploadFacts facts{
      .body_bytes = body_bytes, .holds = core_.enforcing(), .coding = coding, .may_decode = false};
  if (!has_slot()) {
    fail_request(flow, flow.requests.heads() - 1, reason, &head, facts);
  } else if (open(flow, head, facts)) {
    fail(flow, reason);
  }
}

bool UploadGate::fail_request(Flow& flow, uint32_t request, DataplaneReason reason,
                              const RequestHead* head, int64_t body_bytes) {
  return fail_request(
      flow, request, reason, head,
      {.body_bytes = body_bytes, .of_resource = reason == DataplaneReason::partial_upload});
}

bool UploadGate::fail_request(Flow& flow, uint32_t request, DataplaneReason reason,
                              const RequestHead* head, UploadFacts facts) {
  core_.counters.count(reason);
  facts.holds = core_.is_strict(flow);
  facts.may_decode = false;
  const bool blocks = facts.holds && core_.fail_action(reason) == FailAction::kBlock;
  if (head) {
    Upload nameless;
    nameless.key = core_.uploads.next_key(UploadTable::kNone);
    nameless.begun = true;
    (void)announce(core_, flow, *head, facts, nameless.key);
    report(core_, nameless, blocks ? GateOutcome::kBlockedUnasked : GateOutcome::kReleasedUnasked,
           reason);
  }
  if (blocks) refuser_.refuse_request(flow, request, GateOutcome::kBlockedUnasked, reason, "");
  return blocks;
}

void UploadGate::end_for_room(Flow& flow) {
  if (flow.upload == Flow::kNoUpload) core_.counters.count(DataplaneReason::overload);
  abort(flow, DataplaneReason::overload);
  refuser_.reset_both(flow);
}

void UploadGate::give_up(Flow& flow) {
  abort(flow, DataplaneReason::client_gone);
  refuser_.reset_both(flow);
}

void UploadGate::append(Flow& flow, Bytes body) {
  Upload& upload = core_.uploads[flow.upload];
  upload.progress = core_.now.tick;
  if (upload.resource != UploadTable::kNoResource) {
    append_part(flow, body);
    return;
  }
  if (upload.left != kNoOffset) {
    body = body.first(std::min<uint64_t>(body.size(), upload.left));
    upload.left -= body.size();
  }
  const bool wanted = upload.wanted && !body.empty();
  const SinkResult result = wanted ? core_.sink.append(upload.key, body) : SinkResult::kTaken;
  if (result == SinkResult::kEnough) stop_wanting(upload);
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
  core_.decoders.remove(flow.upload);
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
  if (decision.unchecked != DataplaneReason::kNone) {
    core_.counters.count(decision.unchecked);
    close(flow, GateOutcome::kReleasedUnasked, decision.unchecked);
  } else if (decision.block) {
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
  const bool is_kept = upload->keys.exact.is_set() && upload->phase == UploadPhase::kReceiving;
  if (is_kept) {  // what came of a part is in its resource, whole or not
    core_.sink.finish(upload->key, core_.now.wall);
    core_.counters.count(DataplaneReason::partial_upload);
    close(flow, GateOutcome::kReleasedUnasked, DataplaneReason::partial_upload);
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
  const bool is_whole = upload && upload->phase == UploadPhase::kComplete;
  if (const Form* form = core_.forms.of(flow); form && form->holds && !is_whole) {
    return form_limit(flow, *form, upload);
  }
  if (upload && upload->holds) {
    return std::min(upload->tail, upload->chunk_limit);
  }
  if (!core_.enforcing()) return kNoOffset;
  const bool counted_body = flow.requests.in_body() && !flow.requests.chunked();
  return flow.client.parsed + (counted_body ? flow.requests.body_bytes() : 0);
}

// What has been read, but what may be a part's delimiter, or the end of a chunked body whose last
// delimiter has not come. (A body with a length ends, or is refused, when its last byte is read.)
uint64_t UploadGate::form_limit(const Flow& flow, const Form& form, const Upload* upload) const {
  uint64_t limit = flow.client.parsed;
  if (upload) limit = std::min(limit, form.delimiter);
  return form.reader.is_over() ? limit : std::min(limit, form.size_line);
}

// In a form. An origin makes nothing of what comes behind a gap before that is filled, with bytes
// that are read first; so all that matters is that it does not have all of a delimiter by then.
// What completes one waits, whatever of it came in which order. Were all of it to wait, the origin
// would not tell the client of the gap, and each loss would cost a timeout.
bool UploadGate::may_go_ahead(const Flow& flow, uint64_t begin, uint64_t end) const {
  const Form* form = core_.forms.of(flow);
  const Upload* upload = core_.upload_of(flow);
  if (!form || form->body_bytes < 0 || (upload && upload->phase != UploadPhase::kReceiving)) {
    return false;
  }
  const ByteQueue& bytes = flow.client.bytes;
  const bool behind_a_gap =
      flow.client.parsed < begin && bytes.at(core_.buffers, flow.client.parsed).empty();
  // It may turn out to be none.
  const int64_t tail_bytes = std::clamp<int64_t>(core_.config.tail_bytes, 1, form->body_bytes);
  const uint64_t tail = form->body_begin + static_cast<uint64_t>(form->body_bytes - tail_bytes);
  if (!behind_a_gap || end > tail) return false;
  const Bytes boundary = form->reader.dash_boundary();
  const uint64_t overlap = boundary.size() - 1;
  return !bytes.contains(core_.buffers,
                         std::max(begin - std::min(begin, overlap), flow.client.parsed),
                         end + overlap, boundary);
}

bool UploadGate::loosen_delimiter(Flow& flow) {
  Form* form = core_.forms.of(flow);
  if (!form || form->reader.holds_delimiter() || form->delimiter >= flow.client.parsed)
    return false;
  form->delimiter = flow.client.parsed;
  return true;
}

}  // namespace soundgate
