#include "dataplane/engine.h"

#include <algorithm>
#include <array>

#include "dataplane/flow/flow_life.h"
#include "dataplane/tcp/transmitter.h"

namespace soundgate {

Engine::Engine(const DataplaneConfig& config, const HashSeed& seed, unsigned lcore_index,
               PacketIo& io, UploadSink& sink, const CoreSizes& sizes, SharedResources* shared)
    : core_(config, seed, lcore_index, io, sink, sizes, shared),
      refuser_(core_),
      resources_(core_),
      answers_(core_, resources_),
      resumable_(core_, resources_, refuser_),
      gate_(core_, refuser_, resumable_),
      reader_(core_, gate_, resumable_, answers_),
      client_path_(core_, gate_, reader_),
      origin_path_(core_, gate_, answers_),
      handshake_(core_, gate_),
      midstream_(core_),
      mirrored_(core_, gate_),
      fragments_(core_, gate_) {}

void Engine::on_frame(Side from, MutableBytes bytes) {
  Frame frame = look(from, bytes);
  on_frame(from, frame);
}

Frame Engine::look(Side from, MutableBytes bytes) {
  Frame frame = parse_frame(bytes);
  if (frame.cut) core_.counters.frames_cut.add();
  const uint16_t port = from == Side::kClient ? frame.destination_port : frame.source_port;
  if (frame.kind == FrameKind::kTcp && core_.rules.concerns_port(port)) {
    frame.key_hash = core_.flows.hash_of(flow_key(frame, from));
    core_.flows.fetch_bucket(frame.key_hash);
  }
  return frame;
}

void Engine::on_mirrored_frame(MutableBytes bytes) {
  Frame frame = parse_frame(bytes);
  if (frame.cut) core_.counters.frames_cut.add();
  if (frame.kind != FrameKind::kTcp) return;
  const Side from = mirrored_.sender(frame);
  frame.key_hash = core_.flows.hash_of(flow_key(frame, from));
  on_frame(from, frame);
}

void Engine::on_frame(Side from, Frame& frame) {
  const uint16_t port = from == Side::kClient ? frame.destination_port : frame.source_port;
  if (frame.kind == FrameKind::kTcp && core_.rules.concerns_port(port)) {
    on_tcp(from, frame);
    return;
  }
  const bool unread = from == Side::kClient && (port == 0 || core_.rules.concerns_port(port));
  if (unread && frame.kind == FrameKind::kTcpHidden && core_.enforcing()) {
    core_.counters.segments_refused.add();  // whose it is cannot be told
  } else if (unread && frame.kind == FrameKind::kTcpFragment) {
    fragments_.on_client_fragment(frame);
  } else {
    core_.io.forward(other(from), frame.bytes.size());
  }
}

void Engine::on_tcp(Side from, Frame& frame) {
  // Who captures what the same machine sends sees it before its card has filled checksums in.
  const bool verifies = core_.config.placement != Placement::kReplay;
  if (verifies && !checksums_are_right(frame)) {
    core_.counters.bad_checksums.add();
  } else if (from == Side::kClient) {
    on_client_frame(frame);
  } else {
    on_origin_frame(frame);
  }
}

void Engine::on_client_frame(Frame& frame) {
  Flow* flow = core_.flows.find(flow_key(frame, Side::kClient), frame.key_hash);
  if (frame.has(kSyn)) {
    if (frame.has(kAck) && flow && core_.enforcing()) {
      core_.counters.segments_refused.add();
    } else if (frame.has(kAck)) {  // the origin opened this connection: not an upload to it
      core_.io.forward(Side::kOrigin, frame.bytes.size());
    } else {
      handshake_.on_client_syn(flow, frame);
    }
    return;
  }
  if (!flow) flow = midstream_.open(frame);
  if (!flow) return;
  flow->last_seen = core_.now.tick;
  flow->link.bytes = static_cast<uint8_t>(frame.ip_offset);
  std::copy_n(frame.bytes.begin(), frame.ip_offset, flow->link.data.begin());

  // Observing, a connection goes on whose origin's answer took another way.
  if (flow->phase == FlowPhase::kOpening && !core_.enforcing()) {
    enter_phase(core_, *flow, FlowPhase::kMidstream);
  }
  switch (flow->phase) {
    case FlowPhase::kMidstream:
    case FlowPhase::kPassing:
      if (!midstream_.on_client_segment(*flow, frame)) return;
      [[fallthrough]];
    case FlowPhase::kInspected:
      if (is_put_off(*flow, frame)) return;
      client_path_.on_segment(*flow, frame);
      break;
    case FlowPhase::kRefusing:
    case FlowPhase::kRefused:
      refuser_.on_client_segment(*flow, frame);
      break;
    case FlowPhase::kOpening:
      // An acknowledgment would open a connection whose SYN-ACK we have not taken for it.
      if (frame.has(kRst)) core_.io.forward(Side::kOrigin, frame.bytes.size());
      break;
    case FlowPhase::kEnded:
      on_ended(*flow, frame);
      break;
    case FlowPhase::kFree:
      break;
  }
  after_segment(*flow);
}

// Back-pressure: while the decoders are behind, every eighth segment of an upload is dropped. Its
// sender takes it for congestion, which it is, and slows down. What is observed is not slowed.
bool Engine::is_put_off(Flow& flow, const Frame& frame) {
  if (!core_.config.intake || !core_.config.intake->back_pressure()) return false;
  const Upload* upload = core_.upload_of(flow);
  const bool arrives = upload && upload->holds && upload->phase == UploadPhase::kReceiving;
  if (!arrives || !upload->wanted || frame.payload_bytes == 0) return false;
  const bool drops = ++back_pressure_count_ % kBackPressureShare == 0;
  if (drops) core_.counters.segments_put_off.add();
  return drops;
}

// A client that goes on sending has missed the reset that ended the connection: it gets another.
// What is old goes on without its payload, for the origin to acknowledge: it may not be the same
// payload, nor the same connection that takes it.
void Engine::on_ended(Flow& flow, Frame& frame) {
  const ClientHalf& client = flow.client;
  const uint64_t end =
      offset_of(frame.sequence, client.first, client.acknowledged) + frame.payload_bytes;
  const bool is_old = !before(client.acknowledged, end);
  if (frame.payload_bytes == 0 || is_old || !core_.enforcing()) {
    if (frame.payload_bytes > 0 && core_.enforcing()) drop_payload(frame);
    core_.io.forward(Side::kOrigin, frame.bytes.size());
  } else {
    answer_with_reset(core_, flow, Side::kClient, frame);
  }
}

void Engine::on_origin_frame(Frame& frame) {
  Flow* flow = core_.flows.find(flow_key(frame, Side::kOrigin), frame.key_hash);
  if (frame.has(kSyn)) {
    if (flow) flow->last_seen = core_.now.tick;
    handshake_.on_origin_syn(flow, frame);
    return;
  }
  if (!flow) {
    core_.io.forward(Side::kClient, frame.bytes.size());
    return;
  }
  flow->last_seen = core_.now.tick;
  switch (flow->phase) {
    case FlowPhase::kInspected:
      origin_path_.on_segment(*flow, frame);
      if (core_.mirrored()) mirrored_.on_origin_segment(*flow, frame);
      break;
    case FlowPhase::kMidstream:
    case FlowPhase::kPassing:
      midstream_.on_origin_segment(*flow, frame);
      break;
    case FlowPhase::kRefusing:
    case FlowPhase::kRefused:
      refuser_.on_origin_segment(*flow, frame);
      break;
    case FlowPhase::kOpening:
    case FlowPhase::kEnded:
    case FlowPhase::kFree:
      core_.io.forward(Side::kClient, frame.bytes.size());
      break;
  }
  after_segment(*flow);
}

// What either end's segment may have made possible.
void Engine::after_segment(Flow& flow) {
  if (flow.phase != FlowPhase::kInspected) return;
  if (core_.mirrored()) mirrored_.on_client_segment(flow);
  const Upload* upload = core_.upload_of(flow);
  if (upload && upload->phase == UploadPhase::kTurnWait) refuser_.try_answer(flow);
  const OriginHalf& origin = flow.origin;
  const bool both_closed = flow.client.fin_acknowledged && origin.fin != kNoOffset &&
                           before(origin.fin, origin.acknowledged);
  if (both_closed && flow.phase == FlowPhase::kInspected) {
    const bool saw_all = !core_.mirrored() || flow.client.parsed == flow.client.fin;
    gate_.abort(flow, saw_all ? DataplaneReason::client_gone : DataplaneReason::capture_gap);
    stop_following(core_, flow);
    enter_phase(core_, flow, FlowPhase::kEnded);
  }
}

bool Engine::poll() {
  core_.counters.polls.add();
  std::array<GateDecision, kDecisionsPerPoll> decisions;
  const size_t count = core_.sink.poll_decisions(decisions);
  for (size_t i = 0; i < count; ++i) decide(decisions[i]);
  if (core_.now.tick >= next_timers_) {
    next_timers_ = core_.now.tick + kTimerPeriod;
    // From the end: a slot that is given back changes places with the last. What is read on may
    // end uploads of other connections.
    for (size_t i = core_.uploads.live().size(); i > 0; --i) {
      const auto live = core_.uploads.live();
      if (i <= live.size()) on_upload_timer(live[i - 1]);
    }
    resources_.on_timer();
    scan_flows();
    count_held();
  }
  return count > 0;
}

void Engine::decide(const GateDecision& decision) {
  Flow* flow = gate_.decide(decision);
  if (flow && flow->phase == FlowPhase::kInspected) client_path_.resume(*flow);
}

void Engine::on_upload_timer(uint16_t slot) {
  const Upload& upload = core_.uploads[slot];
  Flow& flow = core_.flows[upload.flow];
  const bool refusing =
      upload.phase == UploadPhase::kTurnWait || upload.phase == UploadPhase::kRefusing;
  if (refusing) {
    if (upload.phase == UploadPhase::kTurnWait && upload.gives_way) {
      refuser_.reset_both(flow);
    } else {
      refuser_.on_timer(flow);
    }
    return;
  }
  const bool complete = upload.phase == UploadPhase::kComplete;
  if (!complete) gate_.watch_pace(flow);
  if (!complete && gate_.has_given_way(flow)) {
    if (flow.phase == FlowPhase::kInspected) client_path_.resume(flow);
    return;
  }
  // A long tail that is held before the body is whole may keep the client from sending on.
  const bool may_block_itself =
      upload.holds && !complete && flow.client.held_from < flow.client.parsed;
  const Tick waited = core_.now.tick - upload.progress;
  if (!complete && waited >= kDelimiterStallMax && gate_.loosen_delimiter(flow)) {
    client_path_.resume(flow);
  } else if (complete && waited >= core_.config.hold_max) {
    gate_.fail(flow, DataplaneReason::hold_deadline);
    if (flow.phase == FlowPhase::kInspected) client_path_.resume(flow);
  } else if (may_block_itself && waited >= kTailStallMax) {
    on_stall(flow);
  } else if (waited >= kUploadIdleMax) {
    expire(flow);
  }
}

// Nothing that a client does by standing still may let go of its last byte. Of a body with a length
// the rest of the tail goes on; of a chunked one nothing can, and no decision is to be expected.
void Engine::on_stall(Flow& flow) {
  Upload& upload = core_.uploads[flow.upload];
  if (upload.tail == kNoOffset) {
    gate_.give_up(flow);
    return;
  }
  if (upload.resource == UploadTable::kNoResource) {
    upload.tail = flow.client.parsed + flow.requests.body_bytes() - 1;
  } else {
    resumable_.mark_tail_at_last_byte(flow);
  }
  client_path_.resume(flow);
}

// Stored bytes that have led nowhere for long, in an appliance that has no room left for others'.
bool Engine::is_stuck(Flow& flow) {
  if (flow.phase != FlowPhase::kInspected || flow.client.bytes.empty()) return false;
  if (!core_.is_strict(flow) || core_.now.tick - flow.client.progress < kFlowStuckMax) return false;
  const Upload* upload = core_.upload_of(flow);
  return !upload || upload->phase == UploadPhase::kReceiving;
}

void Engine::scan_flows() {
  const uint32_t end = core_.flows.touched();
  const bool short_of_room =
      core_.buffers.free_count() <= core_.buffers.count() / kPoolReserveShare;
  for (size_t count = 0; count < kFlowsScannedPerTick; ++count) {
    if (scanned_ >= end) {
      const bool any = oldest_midstream_ != Tick::max();
      const Tick age = any ? core_.now.tick - oldest_midstream_ : Tick::zero();
      core_.counters.oldest_midstream_ms.set(static_cast<uint64_t>(age / 1ms));
      oldest_midstream_ = Tick::max();
      scanned_ = 0;
      return;
    }
    Flow& flow = core_.flows[scanned_++];
    if (flow.phase == FlowPhase::kFree) continue;
    if (short_of_room && is_stuck(flow)) {
      gate_.end_for_room(flow);
      continue;
    }
    if (flow.phase == FlowPhase::kMidstream) {
      oldest_midstream_ = std::min(oldest_midstream_, flow.since);
    }
    const bool opening = flow.phase == FlowPhase::kOpening;
    const bool unconfirmed = flow.phase == FlowPhase::kInspected && !flow.confirmed;
    const bool over =
        flow.phase == FlowPhase::kEnded || flow.phase == FlowPhase::kRefused || flow.closing;
    // The origin's repeated SYN-ACKs do not keep a connection that the client never confirms.
    Form* form = core_.forms.of(flow);
    if (form) form->watch_pace(flow.client.parsed, core_.now.tick);
    // There are fewer of those: they go by their progress, and uploads of theirs by their own.
    const bool in_form = form && flow.upload == Flow::kNoUpload;
    const Tick sign_of_life = in_form ? flow.client.progress : flow.last_seen;
    const Tick seen = unconfirmed ? flow.since : std::max(sign_of_life, flow.since);
    const Tick idle_max = opening || unconfirmed ? Tick(kFlowOpeningMax)
                          : over                 ? Tick(kFlowClosedIdleMax)
                          : in_form              ? Tick(kUploadIdleMax)
                                                 : Tick(kFlowIdleMax);
    if (core_.now.tick - seen >= idle_max) expire(flow);
  }
}

// A connection that is inspected is reset: forgotten, it could go on unseen, with a request that
// does not begin where it would be recognised.
void Engine::expire(Flow& flow) {
  const bool followed = flow.phase == FlowPhase::kInspected || flow.upload != Flow::kNoUpload;
  const bool strict = core_.is_strict(flow);
  const bool half_open = flow.phase == FlowPhase::kInspected && !flow.confirmed;
  if (followed && strict && !half_open) {
    gate_.give_up(flow);
    return;
  }
  if (half_open && strict) reset_origin(core_, flow);  // else it could open unseen
  gate_.abort(flow, DataplaneReason::client_gone);
  forget(core_, flow);
}

void Engine::count_held() {
  uint64_t segments = 0;
  uint64_t bytes = 0;
  for (const uint16_t slot : core_.uploads.live()) {
    const Upload& upload = core_.uploads[slot];
    const ClientHalf& client = core_.flows[upload.flow].client;
    if (client.held_from == kNoOffset || upload.phase == UploadPhase::kRefusing) continue;
    segments += upload.segments_held;
    bytes += client.bytes.end(core_.buffers) - client.held_from;
  }
  core_.counters.resources_idle.set(core_.resources.open_idle_count());
  core_.counters.segments_held.set(segments);
  core_.counters.bytes_held.set(bytes);
}

void Engine::shut_down(DataplaneReason reason) {
  const auto live = core_.uploads.live();
  for (size_t i = live.size(); i > 0; --i) {
    const Upload& upload = core_.uploads[live[i - 1]];
    Flow& flow = core_.flows[upload.flow];
    const bool open =
        upload.phase == UploadPhase::kReceiving || upload.phase == UploadPhase::kComplete;
    if (open) gate_.fail(flow, reason);
    if (flow.phase == FlowPhase::kInspected && flow.upload != Flow::kNoUpload) {
      refuser_.reset_both(flow);  // there is no time left to wait for its turn
    } else if (flow.phase == FlowPhase::kInspected) {
      let_go(core_, flow, FlowPhase::kMidstream);
    }
  }
  resources_.shut_down(reason);
}

}  // namespace soundgate
