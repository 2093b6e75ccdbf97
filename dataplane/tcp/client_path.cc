#include "dataplane/tcp/client_path.h"

#include <array>

#include "dataplane/flow/flow_life.h"
#include "dataplane/tcp/transmitter.h"

namespace soundgate {
namespace {

void clear_urgent(const Frame& frame) {
  if (!frame.has(kUrg)) return;
  store8(frame.bytes, frame.tcp_offset + 13u, frame.flags & static_cast<uint8_t>(~kUrg));
  store16(frame.bytes, frame.tcp_offset + 18u, 0);
  fix_tcp_checksum(frame);
}

// Sends stored bytes from client.held_from up to `end`; what is left stays held.
void send_stored(Core& core, Flow& flow, uint64_t end) {
  ClientHalf& client = flow.client;
  std::array<std::byte, kSegmentBytesMax> space;
  uint64_t at = client.held_from;
  for (size_t count = 0; at != kNoOffset; ++count) {
    at = client.bytes.next_stored(core.buffers, std::max(at, client.acknowledged));
    if (at == kNoOffset || at >= end || count == kReleaseSegmentsMax) break;
    const uint64_t room = std::min<uint64_t>(flow.segment_bytes_max, end - at);
    const size_t bytes =
        client.bytes.copy(core.buffers, at, MutableBytes(space).first(static_cast<size_t>(room)));
    send_to_origin(core, flow, at, kPsh, Bytes(space).first(bytes));
    at += bytes;
    client.sent = std::max(client.sent, at);
  }
  client.held_from = at;
  const bool fin_is_next = client.held_from == kNoOffset && client.fin <= client.limit;
  if (client.fin_held && fin_is_next) {
    client.fin_held = false;
    send_to_origin(core, flow, client.fin, kFin, {});
  }
}

// Without the bytes that are next in order nothing of the flow can go on, nor be given back. Those
// whose predecessors the origin has not acknowledged can wait.
ByteQueue::Claim claim_of(const Flow& flow, uint64_t offset) {
  const ClientHalf& client = flow.client;
  const bool next_in_order = !before(client.parsed, offset);
  const bool few_on_their_way = client.parsed - client.acknowledged < kFlowReserveBytesMax;
  return next_in_order && few_on_their_way ? ByteQueue::Claim::kReserve : ByteQueue::Claim::kShare;
}

}  // namespace

void let_go(Core& core, Flow& flow, FlowPhase phase) {
  flow.client.limit = kNoOffset;
  send_stored(core, flow, kNoOffset);
  stop_following(core, flow);
  flow.watch.settled = true;  // what has passed so far was followed
  if (flow.phase != phase) enter_phase(core, flow, phase);
}

void ClientPath::on_segment(Flow& flow, Frame& frame) {
  if (frame.has(kRst)) {
    on_reset(flow, frame);
    return;
  }
  if (!frame.has(kAck)) {  // origins ignore these: then so do we, on the wire
    refuse_segment(flow, frame);
    return;
  }
  note_header(flow, frame);
  clear_urgent(frame);
  if (frame.payload_bytes == 0 && !frame.has(kFin)) {
    core_.io.forward(Side::kOrigin, frame.bytes.size());
  } else {
    on_data(flow, frame);
  }
}

void ClientPath::note_header(Flow& flow, const Frame& frame) {
  ClientHalf& client = flow.client;
  OriginHalf& origin = flow.origin;
  client.window = frame.window;
  if (flow.uses_timestamps) {
    const auto found = parse_tcp_options(frame.options()).timestamps;
    if (found && !is_later_time(client.timestamps.value, found->value)) client.timestamps = *found;
  }
  const uint64_t seen = offset_of(frame.acknowledgment, origin.first, origin.acknowledged);
  const uint64_t fin = origin.fin == origin.next ? 1 : 0;
  if (before(seen, origin.acknowledged) || before(origin.next + fin, seen)) return;
  if (seen != origin.acknowledged && client.bytes.empty()) client.progress = core_.now.tick;
  origin.acknowledged = seen;
  flow.confirmed = true;
}

// A client's reset may be meant for bytes that we hold: the origin gets one where it will believe
// it, and another for whatever it still sends. The connection is over for the client, so no more
// payload of it is let through.
void ClientPath::on_reset(Flow& flow, const Frame& frame) {
  ClientHalf& client = flow.client;
  const uint64_t at = offset_of(frame.sequence, client.first, client.parsed);
  const bool in_window =
      !before(at, client.acknowledged) && before(at, client.acknowledged + kFlowReachBytesMax);
  if (!in_window) {
    refuse_segment(flow, frame);
    return;
  }
  const bool strict = core_.is_strict(flow);
  if (strict) {
    reset_origin(core_, flow);
  } else {
    core_.io.forward(Side::kOrigin, frame.bytes.size());
  }
  gate_.abort(flow, DataplaneReason::client_gone);
  stop_following(core_, flow);
  enter_phase(core_, flow, strict ? FlowPhase::kRefused : FlowPhase::kEnded);
}

void ClientPath::on_data(Flow& flow, Frame& frame) {
  ClientHalf& client = flow.client;
  const uint64_t offset = offset_of(frame.sequence, client.first, client.parsed);
  Extent extent{offset, offset + frame.payload_bytes, frame.has(kFin)};
  if (before(extent.begin, client.acknowledged)) extent.begin = client.acknowledged;
  if (is_out_of_reach(flow, extent)) {
    no_room(flow, frame);
    return;
  }
  if (!makes_sense(flow, extent)) {
    refuse_segment(flow, frame);
    return;
  }
  if (extent.fin) client.fin = extent.end;
  if (!before(extent.begin, extent.end) && !extent.fin) {  // all of it was acknowledged before
    core_.io.forward(Side::kOrigin, frame.bytes.size());
    return;
  }
  if (before(extent.begin, extent.end) && !store(flow, frame, extent)) {
    no_room(flow, frame);
    return;
  }
  reader_.read(flow);
  if (flow.phase == FlowPhase::kInspected) {
    if (!check_fin(flow)) return;
    forward_or_hold(flow, frame, extent);
    send_held(flow);
  } else if (flow.phase == FlowPhase::kMidstream || flow.phase == FlowPhase::kPassing) {
    core_.io.forward(Side::kOrigin, frame.bytes.size());
    let_go(core_, flow, flow.phase);
  }
}

bool ClientPath::is_out_of_reach(const Flow& flow, const Extent& extent) const {
  return before(flow.client.acknowledged + kFlowReachBytesMax, extent.end);
}

// Nothing is behind the stream's end.
bool ClientPath::makes_sense(const Flow& flow, const Extent& extent) const {
  const ClientHalf& client = flow.client;
  if (client.fin != kNoOffset && before(client.fin, extent.end)) return false;
  if (!extent.fin) return true;
  if (client.fin != kNoOffset) return client.fin == extent.end;
  return !before(extent.end, std::max(client.bytes.end(core_.buffers), client.parsed));
}

// First data wins: what differs from stored bytes is rewritten before anything else sees it.
bool ClientPath::store(Flow& flow, const Frame& frame, const Extent& extent) {
  const size_t bytes = static_cast<size_t>(extent.end - extent.begin);
  const MutableBytes fresh = frame.payload().last(bytes);
  if (flow.client.bytes.empty()) flow.client.progress = core_.now.tick;
  const size_t differing = flow.client.bytes.impose_on(core_.buffers, extent.begin, fresh);
  if (differing > 0) {
    fix_tcp_checksum(frame);
    core_.counters.conflicting_bytes.add(differing);
    core_.counters.count(DataplaneReason::tcp_conflict);
  }
  return flow.client.bytes.insert(core_.buffers, extent.begin, fresh, claim_of(flow, extent.begin));
}

// In enforce mode the segment is dropped: the sender slows down and tries again. In observe mode
// nothing may suffer: the connection goes on unseen.
void ClientPath::no_room(Flow& flow, const Frame& frame) {
  if (core_.is_strict(flow)) {
    refuse_segment(flow, frame);
    return;
  }
  // What others are lost for in front is stored, and never goes on.
  const DataplaneReason reason =
      core_.mirrored() ? DataplaneReason::capture_gap : DataplaneReason::tcp_window_full;
  if (core_.upload_of(flow)) {
    gate_.fail(flow, reason);
  } else {
    core_.counters.count(reason);
  }
  core_.io.forward(Side::kOrigin, frame.bytes.size());
  let_go(core_, flow, FlowPhase::kMidstream);
}

void ClientPath::forward_or_hold(Flow& flow, const Frame& frame, const Extent& extent) {
  ClientHalf& client = flow.client;
  if (extent.end <= client.limit) {
    send_stored(core_, flow, extent.begin);  // what was held in front of it goes first
    if (extent.fin) client.fin_held = false;
    if (client.held_from >= extent.begin && client.held_from < extent.end) {
      client.held_from = extent.end;
    }
    client.sent = std::max(client.sent, extent.end);
    core_.io.forward(Side::kOrigin, frame.bytes.size());
  } else if (!extent.fin && gate_.may_go_ahead(flow, extent.begin, extent.end)) {
    client.sent = std::max(client.sent, extent.end);
    core_.io.forward(Side::kOrigin, frame.bytes.size());
  } else {
    hold(flow, extent);
  }
}

void ClientPath::hold(Flow& flow, const Extent& extent) {
  ClientHalf& client = flow.client;
  if (extent.fin) client.fin_held = true;
  if (!before(extent.begin, extent.end)) return;
  client.held_from = std::min(client.held_from, extent.begin);
  if (Upload* upload = core_.upload_of(flow)) ++upload->segments_held;
}

void ClientPath::send_held(Flow& flow) {
  if (flow.client.held_from == kNoOffset && !flow.client.fin_held) return;
  send_stored(core_, flow, flow.client.limit);
}

// The client has said that nothing more comes: an upload that is not whole will never be. What of
// it may be an end (of a part, of the last chunk, of a body that is cut short) must not become one
// by that.
bool ClientPath::check_fin(Flow& flow) {
  const ClientHalf& client = flow.client;
  if (client.fin == kNoOffset || client.parsed != client.fin) return true;
  const Upload* upload = core_.upload_of(flow);
  const bool in_form = flow.form != Flow::kNoForm;
  if (upload ? upload->phase != UploadPhase::kReceiving : !in_form) return true;
  if (core_.is_strict(flow) && before(client.limit, client.parsed)) {
    gate_.give_up(flow);
    return false;
  }
  gate_.abort(flow, DataplaneReason::client_gone);
  core_.forms.give_back(flow);
  flow.client.limit = kNoOffset;
  return true;
}

void ClientPath::resume(Flow& flow) {
  reader_.read(flow);
  if (flow.phase == FlowPhase::kInspected) {
    if (check_fin(flow)) send_held(flow);
  } else if (flow.phase == FlowPhase::kMidstream || flow.phase == FlowPhase::kPassing) {
    let_go(core_, flow, flow.phase);
  }
}

void ClientPath::refuse_segment(const Flow& flow, const Frame& frame) {
  if (core_.is_strict(flow)) {
    core_.counters.segments_refused.add();
  } else {
    core_.io.forward(Side::kOrigin, frame.bytes.size());
  }
}

}  // namespace soundgate
