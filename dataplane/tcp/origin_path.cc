#include "dataplane/tcp/origin_path.h"

#include "dataplane/flow/flow_life.h"
#include "dataplane/tcp/client_path.h"

namespace soundgate {

namespace {

// A client can have the origin send resets, with numbers that the client chose, for segments that
// are not of the connection. Only one that is next in order ends it (RFC 9293 section 3.10.7.4).
bool is_believed(const Flow& flow, const Frame& reset) {
  const OriginHalf& origin = flow.origin;
  const uint64_t next = origin.next + (origin.fin == origin.next ? 1 : 0);
  return reset.sequence == sequence_of(next, origin.first);
}

}  // namespace

void OriginPath::on_segment(Flow& flow, const Frame& frame) {
  core_.io.forward(Side::kClient, frame.bytes.size());
  if (frame.has(kRst)) {
    if (!is_believed(flow, frame)) return;
    gate_.abort(flow, DataplaneReason::origin_gone);
    stop_following(core_, flow);
    enter_phase(core_, flow, FlowPhase::kEnded);
    return;
  }
  note_header(flow, frame);
  read(flow, frame);
  const uint64_t seen =
      offset_of(frame.acknowledgment, flow.client.first, flow.client.acknowledged);
  if (frame.has(kAck) && flow.resumed && misses_bytes(flow, seen)) {
    give_up(flow, frame);
    return;
  }
  if (flow.responses.switched()) {
    gate_.abort(flow, DataplaneReason::not_http);
    core_.counters.count(DataplaneReason::not_http);
    let_go(core_, flow, FlowPhase::kPassing);
  }
}

void OriginPath::note_header(Flow& flow, const Frame& frame) {
  ClientHalf& client = flow.client;
  flow.origin.window = frame.window;
  if (flow.uses_timestamps) {
    const auto found = parse_tcp_options(frame.options()).timestamps;
    if (found && is_later_time(found->value, flow.origin.timestamp)) {
      flow.origin.timestamp = found->value;
    }
  }
  if (!frame.has(kAck)) return;
  const uint64_t seen = offset_of(frame.acknowledgment, client.first, client.acknowledged);
  if (client.fin != kNoOffset && before(client.fin, seen)) client.fin_acknowledged = true;
  if (!before(client.acknowledged, seen)) return;
  client.progress = core_.now.tick;
  client.acknowledged = std::min(seen, client.parsed);
  client.bytes.release_below(core_.buffers, client.acknowledged);
}

// The origin has bytes that were never here: before the connection was taken up, they passed
// unread.
bool OriginPath::misses_bytes(const Flow& flow, uint64_t acknowledged) const {
  const ClientHalf& client = flow.client;
  const uint64_t all = client.parsed + (client.fin == client.parsed ? 1 : 0);
  return before(all, acknowledged) &&
         client.bytes.next_stored(core_.buffers, client.parsed) != client.parsed;
}

// They will not come again, so it cannot be followed: it is one from before again.
void OriginPath::give_up(Flow& flow, const Frame& frame) {
  const Upload* upload = core_.upload_of(flow);
  if (upload && upload->phase == UploadPhase::kTurnWait) return;
  if (upload) {
    gate_.fail(flow, DataplaneReason::midstream);
  } else {
    core_.counters.count(DataplaneReason::midstream);
  }
  if (flow.phase != FlowPhase::kInspected || flow.upload != Flow::kNoUpload) return;
  const uint64_t end =
      std::max({flow.client.bytes.end(core_.buffers), flow.client.sent, flow.client.parsed});
  flow.watch = {};
  flow.watch.client_seen = flow.watch.origin_seen = true;
  flow.watch.client_end = sequence_of(end, flow.client.first);
  flow.watch.client_acknowledged = frame.acknowledgment;
  flow.watch.origin_end = sequence_of(flow.origin.next, flow.origin.first);
  let_go(core_, flow, FlowPhase::kMidstream);
}

void OriginPath::read(Flow& flow, const Frame& frame) {
  OriginHalf& origin = flow.origin;
  const uint64_t offset = offset_of(frame.sequence, origin.first, origin.next);
  const uint64_t end = offset + frame.payload_bytes;
  if (frame.has(kFin)) origin.fin = end;
  if (before(origin.next, end)) {
    if (!before(origin.next, offset)) {
      read_in_order(flow, end, frame.payload().last(static_cast<size_t>(end - origin.next)));
    } else if (flow.responses.lost() ||
               !origin.bytes.insert(core_.buffers, offset, frame.payload())) {
      flow.responses.lose();
      origin.bytes.clear(core_.buffers);
      origin.next = end;
    }
  }
  if (origin.fin == origin.next) flow.responses.end_of_stream();
}

void OriginPath::read_in_order(Flow& flow, uint64_t end, Bytes payload) {
  OriginHalf& origin = flow.origin;
  read_answers(flow, payload);
  origin.next = end;
  while (!origin.bytes.empty()) {
    origin.bytes.release_below(core_.buffers, origin.next);
    const Bytes more = origin.bytes.at(core_.buffers, origin.next);
    if (more.empty()) return;
    read_answers(flow, more);
    origin.next += more.size();
  }
}

void OriginPath::read_answers(Flow& flow, Bytes payload) {
  const bool watches = flow.exchange != Flow::kNoExchange;
  UploadExchange* watched = watches ? &core_.exchanges[flow.exchange] : nullptr;
  flow.responses.read(payload, watched);
  if (watched && watched->status != 0) answers_.on_answer(flow);
}

}  // namespace soundgate
