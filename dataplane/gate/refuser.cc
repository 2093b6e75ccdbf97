#include "dataplane/gate/refuser.h"

#include <algorithm>
#include <array>

#include "dataplane/flow/flow_life.h"
#include "dataplane/gate/refusal.h"
#include "dataplane/gate/upload_gate.h"
#include "dataplane/tcp/transmitter.h"

namespace soundgate {

void Refuser::start(Flow& flow, GateOutcome outcome, DataplaneReason reason,
                    std::string_view upload_id) {
  Upload& upload = core_.uploads[flow.upload];
  upload.phase = UploadPhase::kTurnWait;
  upload.outcome = outcome;
  upload.reason = reason;
  upload.began_refusing = core_.now.tick;
  upload.upload_id[upload_id.copy(upload.upload_id, GateDecision::kUploadIdBytes)] = '\0';
  flow.client.limit = std::min(flow.client.limit, flow.client.sent);
  try_answer(flow);
}

void Refuser::refuse_request(Flow& flow, uint32_t request, GateOutcome outcome,
                             DataplaneReason reason, std::string_view upload_id) {
  const uint16_t slot = core_.uploads.take();
  if (slot == UploadTable::kNone) {
    reset_both(flow);
    return;
  }
  flow.upload = slot;
  Upload& upload = core_.uploads[slot];
  upload.flow = core_.flows.index_of(flow);
  upload.request = request;
  upload.holds = true;
  start(flow, outcome, reason, upload_id);
}

void Refuser::try_answer(Flow& flow) {
  const Upload& upload = core_.uploads[flow.upload];
  const OriginHalf& origin = flow.origin;
  const ResponseStream& responses = flow.responses;
  const bool too_late = responses.lost() || responses.switched() ||
                        responses.final_begun(upload.request) || origin.fin != kNoOffset;
  if (too_late) {
    reset_both(flow);
    return;
  }
  const bool our_turn = responses.completed() == upload.request && responses.at_boundary() &&
                        origin.acknowledged == origin.next && origin.bytes.empty();
  if (our_turn) answer(flow);
}

void Refuser::answer(Flow& flow) {
  Upload& upload = core_.uploads[flow.upload];
  reset_origin(core_, flow);
  upload.origin_resets = 1;
  upload.next_origin_reset = core_.now.tick + kBlockRetransmitFirst;

  const ClientHalf& client = flow.client;
  uint64_t received = client.parsed;
  for (Bytes more; !(more = client.bytes.at(core_.buffers, received)).empty();) {
    received += more.size();
  }
  upload.client_finished = client.fin == received;
  upload.client_received = received + (upload.client_finished ? 1 : 0);
  upload.phase = UploadPhase::kRefusing;
  upload.answer_from = flow.origin.next;
  upload.next_transmission = core_.now.tick;
  enter_phase(core_, flow, FlowPhase::kRefusing);
  stop_following(core_, flow);
  transmit(flow, upload);
  report(core_, upload, upload.outcome, upload.reason);
}

// Everything that the client has not acknowledged of the answer.
void Refuser::transmit(Flow& flow, Upload& upload) {
  std::array<std::byte, kBlockResponseBytesMax> space;
  const size_t bytes =
      write_refusal(core_.config.block_status, upload.upload_id, core_.config.block_message, space);
  const Bytes response = Bytes(space).first(bytes);
  upload.answer_end = upload.answer_from + bytes + 1;
  size_t at = std::min<uint64_t>(flow.origin.acknowledged - upload.answer_from, bytes);
  do {
    const size_t step = std::min<size_t>(flow.segment_bytes_max, bytes - at);
    const bool last = at + step == bytes;
    send_to_client(core_, flow, upload.answer_from + at, upload.client_received,
                   last ? kPsh | kFin : 0, response.subspan(at, step));
    at += step;
  } while (at < bytes);
  upload.next_transmission = core_.now.tick + kBlockRetransmitFirst * (1u << upload.transmissions);
  ++upload.transmissions;
}

// Advances over what the client sent in order. True when the segment wants an acknowledgment.
bool Refuser::receive(Upload& upload, const Flow& flow, const Frame& frame) {
  if (frame.payload_bytes == 0 && !frame.has(kFin)) return false;
  const uint64_t offset = offset_of(frame.sequence, flow.client.first, upload.client_received);
  const uint64_t end = offset + frame.payload_bytes;
  const bool in_order = !before(upload.client_received, offset);
  if (in_order && !upload.client_finished) {
    if (before(upload.client_received, end)) upload.client_received = end;
    if (frame.has(kFin) && upload.client_received == end) {
      upload.client_finished = true;
      ++upload.client_received;
    }
  }
  return true;
}

void Refuser::on_client_segment(Flow& flow, const Frame& frame) {
  if (flow.phase == FlowPhase::kRefused || flow.upload == Flow::kNoUpload) {
    answer_with_reset(core_, flow, Side::kClient, frame);
    return;
  }
  Upload& upload = core_.uploads[flow.upload];
  if (frame.has(kRst)) {
    finish(flow);
    return;
  }
  const bool wants_answer = receive(upload, flow, frame);
  const uint64_t all = upload.answer_end;
  if (frame.has(kAck)) {
    const uint64_t seen =
        offset_of(frame.acknowledgment, flow.origin.first, flow.origin.acknowledged);
    if (before(flow.origin.acknowledged, seen) && !before(all, seen)) {
      flow.origin.acknowledged = seen;
      if (seen == all) upload.next_transmission = core_.now.tick + kBlockLingerMax;
    }
  }
  if (wants_answer) send_to_client(core_, flow, all, upload.client_received, 0, {});
}

// A challenge, or what was on its way: each says at which number a reset would be believed.
void Refuser::on_origin_segment(Flow& flow, const Frame& frame) {
  answer_with_reset(core_, flow, Side::kOrigin, frame);
}

void Refuser::on_timer(Flow& flow) {
  Upload& upload = core_.uploads[flow.upload];
  const Tick now = core_.now.tick;
  if (upload.phase == UploadPhase::kTurnWait) {
    if (now - upload.began_refusing >= kBlockTurnWaitMax) reset_both(flow);
    return;
  }
  if (now >= upload.next_origin_reset && upload.origin_resets < kOriginResetsMax) {
    reset_origin(core_, flow);
    upload.next_origin_reset = now + kBlockRetransmitFirst * (1u << upload.origin_resets);
    ++upload.origin_resets;
  }
  const bool delivered = flow.origin.acknowledged == upload.answer_end;
  const bool gave_up = !delivered && upload.transmissions >= kBlockTransmissionsMax;
  if (now - upload.began_refusing >= kBlockConversationMax) {
    reset_client(core_, flow);
    finish(flow);
  } else if (now >= upload.next_transmission) {
    if (delivered || gave_up) {
      if (!upload.client_finished) reset_client(core_, flow);
      finish(flow);
    } else {
      transmit(flow, upload);
    }
  }
}

void Refuser::reset_both(Flow& flow) {
  reset_origin(core_, flow);
  reset_client(core_, flow);
  if (Upload* upload = core_.upload_of(flow))
    report(core_, *upload, upload->outcome, upload->reason);
  finish(flow);
}

void Refuser::finish(Flow& flow) {
  free_slot(core_, flow);
  enter_phase(core_, flow, FlowPhase::kRefused);
  stop_following(core_, flow);
}

}  // namespace soundgate
