#include "dataplane/tcp/mirrored.h"

#include "dataplane/tcp/client_path.h"

namespace soundgate {

Side Mirrored::sender(const Frame& frame) {
  const bool to_origin = core_.rules.concerns_port(frame.destination_port);
  const bool from_origin = core_.rules.concerns_port(frame.source_port);
  if (to_origin != from_origin) return to_origin ? Side::kClient : Side::kOrigin;
  if (core_.flows.find(flow_key(frame, Side::kClient))) return Side::kClient;
  if (core_.flows.find(flow_key(frame, Side::kOrigin))) return Side::kOrigin;
  if (frame.has(kSyn)) return frame.has(kAck) ? Side::kOrigin : Side::kClient;
  return frame.source_port < frame.destination_port ? Side::kOrigin : Side::kClient;
}

// Nothing is held here, and no overlap can be rewritten: what was read need not be kept until the
// origin acknowledges it, nor need its acknowledgments be seen at all.
void Mirrored::on_client_segment(Flow& flow) {
  ClientHalf& client = flow.client;
  if (client.parsed == client.acknowledged) return;
  client.acknowledged = client.parsed;
  client.bytes.release_below(core_.buffers, client.parsed);
}

// What the origin acknowledges it has: where it has more than was seen, for longer than copies of
// two directions may overtake each other, the copy of what is between was lost.
void Mirrored::on_origin_segment(Flow& flow, const Frame& frame) {
  if (flow.phase != FlowPhase::kInspected || !frame.has(kAck)) return;
  ClientHalf& client = flow.client;
  const uint64_t seen = offset_of(frame.acknowledgment, client.first, client.parsed);
  const uint64_t fin = client.fin == client.parsed ? 1 : 0;
  if (!before(client.parsed + fin, seen)) {
    client.gap_since = Tick::max();
  } else if (client.gap_since == Tick::max() || client.gap_at != client.parsed) {
    client.gap_since = core_.now.tick;
    client.gap_at = client.parsed;
  } else if (core_.now.tick - client.gap_since >= kCaptureGapMax) {
    end_at_gap(flow);
  }
}

void Mirrored::end_at_gap(Flow& flow) {
  if (core_.upload_of(flow)) {
    gate_.fail(flow, DataplaneReason::capture_gap);
  } else {
    core_.counters.count(DataplaneReason::capture_gap);
  }
  let_go(core_, flow, FlowPhase::kMidstream);
}

}  // namespace soundgate
