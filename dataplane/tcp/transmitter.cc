#include "dataplane/tcp/transmitter.h"

namespace soundgate {
namespace {

std::optional<Timestamps> timestamps_to(const Flow& flow, Side to) {
  if (!flow.uses_timestamps) return std::nullopt;
  const uint32_t of_client = flow.client.timestamps.value;
  const uint32_t of_origin = flow.origin.timestamp;
  return to == Side::kOrigin ? Timestamps{of_client, of_origin} : Timestamps{of_origin, of_client};
}

void send(Core& core, Flow& flow, Side to, SegmentFields fields, Bytes payload) {
  fields.timestamps = timestamps_to(flow, to);
  core.io.send(to, core.writer.write(flow.key, flow.link, to, fields, payload));
}

void send_reset(Core& core, Flow& flow, Side to, uint32_t sequence, uint32_t acknowledgment) {
  send(core, flow, to, {sequence, acknowledgment, kRst | kAck, 0, {}}, {});
}

}  // namespace

void send_to_origin(Core& core, Flow& flow, uint64_t offset, uint8_t flags, Bytes payload) {
  SegmentFields fields;
  fields.sequence = sequence_of(offset, flow.client.first);
  fields.acknowledgment = sequence_of(flow.origin.acknowledged, flow.origin.first);
  fields.flags = flags | kAck;
  fields.window = flow.client.window;
  send(core, flow, Side::kOrigin, fields, payload);
}

void send_to_client(Core& core, Flow& flow, uint64_t offset, uint64_t client_received,
                    uint8_t flags, Bytes payload) {
  SegmentFields fields;
  fields.sequence = sequence_of(offset, flow.origin.first);
  fields.acknowledgment = sequence_of(client_received, flow.client.first);
  fields.flags = flags | kAck;
  fields.window = flow.origin.window;
  send(core, flow, Side::kClient, fields, payload);
}

void reset_origin(Core& core, Flow& flow) {
  const uint32_t acknowledgment = sequence_of(flow.origin.next, flow.origin.first);
  const uint64_t expected = origin_expects(flow);
  send_reset(core, flow, Side::kOrigin, sequence_of(expected, flow.client.first), acknowledgment);
  if (expected == flow.client.acknowledged) return;
  send_reset(core, flow, Side::kOrigin, sequence_of(flow.client.acknowledged, flow.client.first),
             acknowledgment);
}

void reset_client(Core& core, Flow& flow) {
  const uint32_t acknowledgment = sequence_of(flow.client.parsed, flow.client.first);
  send_reset(core, flow, Side::kClient, sequence_of(flow.origin.next, flow.origin.first),
             acknowledgment);
  if (flow.origin.next == flow.origin.acknowledged) return;
  send_reset(core, flow, Side::kClient, sequence_of(flow.origin.acknowledged, flow.origin.first),
             acknowledgment);
}

void answer_with_reset(Core& core, Flow& flow, Side to, const Frame& frame) {
  if (frame.has(kRst) || !frame.has(kAck)) return;
  send_reset(core, flow, to, frame.acknowledgment, frame.sequence + frame.payload_bytes);
}

}  // namespace soundgate
