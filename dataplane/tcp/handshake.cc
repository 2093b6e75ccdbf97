#include "dataplane/tcp/handshake.h"

#include <algorithm>

#include "dataplane/flow/flow_life.h"

namespace soundgate {
namespace {

// A connection that was refused is not: until the origin takes the new SYN, it may still have the
// old one, and wait for what was kept back.
bool is_over(FlowPhase phase) { return phase == FlowPhase::kOpening || phase == FlowPhase::kEnded; }

bool is_of_this_connection(const Flow& flow, const Frame& syn) {
  return flow.phase != FlowPhase::kOpening && syn.sequence + 1 == flow.client.first;
}

size_t segment_bytes(const TcpOptions& options, size_t most) {
  return std::clamp<size_t>(options.segment_bytes_max.value_or(kSegmentBytesDefault), 88, most);
}

// Timestamps take 12 bytes of what the MSS allows.
constexpr size_t kTimestampOptionBytes = 12;

}  // namespace

void Handshake::forward(Side to, Frame& frame) {
  const bool changed = neutralise_syn_options(frame.options());
  if (frame.payload_bytes > 0) {
    drop_payload(frame);  // the client sends it again: the origin will not have acknowledged it
  } else if (changed) {
    fix_tcp_checksum(frame);
  }
  core_.io.forward(to, frame.bytes.size());
}

void Handshake::on_client_syn(Flow* flow, Frame& frame) {
  if (frame.has(kFin) || frame.has(kRst)) {
    core_.counters.segments_refused.add();
    return;
  }
  if (flow && is_of_this_connection(*flow, frame)) {  // a copy that comes late
    forward(Side::kOrigin, frame);
    return;
  }
  if (flow && is_over(flow->phase)) {
    gate_.abort(*flow, DataplaneReason::client_gone);
    forget(core_, *flow);
    flow = nullptr;
  }
  if (!flow) {
    flow = make_entry(core_, flow_key(frame, Side::kClient));
    if (!flow) {
      no_entry(frame);
      return;
    }
    core_.counters.flows_opened.add();
    flow->link.bytes = static_cast<uint8_t>(frame.ip_offset);
    std::copy_n(frame.bytes.begin(), frame.ip_offset, flow->link.data.begin());
    enter_phase(core_, *flow, FlowPhase::kOpening);
  }
  flow->last_seen = core_.now.tick;
  expect(*flow, frame);
  forward(Side::kOrigin, frame);
}

void Handshake::no_entry(const Frame& frame) {
  core_.counters.count(DataplaneReason::flow_table_full);
  if (core_.table_full_blocks()) {
    core_.counters.segments_refused.add();
  } else {
    core_.io.forward(Side::kOrigin, frame.bytes.size());
  }
}

void Handshake::expect(Flow& flow, const Frame& frame) {
  const TcpOptions options = parse_tcp_options(frame.options());
  flow.syn_pending = true;
  flow.pending_first = frame.sequence + 1;
  flow.pending_timestamps = options.timestamps.has_value();
  flow.pending_segment_bytes_max = static_cast<uint16_t>(segment_bytes(options, kSegmentBytesMax));
}

void Handshake::on_origin_syn(Flow* flow, Frame& frame) {
  const bool accepts =
      flow && frame.has(kAck) && flow->syn_pending && frame.acknowledgment == flow->pending_first;
  if (accepts) accept(*flow, frame);
  if (!accepts && frame.has(kAck) && opens_unseen(flow, frame)) {
    core_.counters.segments_refused.add();
  } else {
    forward(Side::kClient, frame);
  }
}

// The answer to a SYN that we do not know of: with it the client could open a connection that is
// not followed. Where the SYN had no room in the table, it was let pass, and so is its answer.
bool Handshake::opens_unseen(const Flow* flow, const Frame& frame) const {
  if (!core_.enforcing()) return false;
  if (!flow) return !core_.flows.full() || core_.table_full_blocks() || can_make_room(core_);
  const bool is_copy =
      flow->phase != FlowPhase::kOpening && frame.acknowledgment == flow->client.first;
  return !is_copy;
}

// From here on it is a new connection, whatever the entry was before.
void Handshake::accept(Flow& flow, const Frame& frame) {
  gate_.abort(flow, DataplaneReason::client_gone);
  stop_following(core_, flow);
  if (flow.phase != FlowPhase::kOpening) core_.counters.flows_opened.add();
  const TcpOptions options = parse_tcp_options(frame.options());
  flow.client = ClientHalf{};
  flow.origin = OriginHalf{};
  flow.requests = RequestStream();
  flow.responses = ResponseStream();
  flow.watch = {};
  flow.syn_pending = flow.closing = flow.confirmed = flow.resumed = false;
  flow.client.first = flow.pending_first;
  flow.origin.first = frame.sequence + 1;
  flow.uses_timestamps = flow.pending_timestamps && options.timestamps;
  const size_t most = segment_bytes(options, flow.pending_segment_bytes_max);
  flow.segment_bytes_max =
      static_cast<uint16_t>(most - (flow.uses_timestamps ? kTimestampOptionBytes : 0));
  if (flow.uses_timestamps) {
    flow.origin.timestamp = options.timestamps->value;
    flow.client.timestamps = {options.timestamps->echo, options.timestamps->value};
  }
  enter_phase(core_, flow, FlowPhase::kInspected);
}

}  // namespace soundgate
