#include "control/inspection/upload_record.h"

#include <algorithm>

#include "control/decisions/verdict_json.h"
#include "control/policy/policy.h"

namespace soundgate {
namespace {

DataplaneReason unasked_reason(const UploadSlot& slot, const UploadTrail& trail,
                               const Finding* finding) {
  if (trail.gate && trail.gate->reason != DataplaneReason::kNone) return trail.gate->reason;
  if (trail.gate && trail.gate->outcome == GateOutcome::kAborted)
    return DataplaneReason::client_gone;
  // Nobody is left to say how it ended.
  if (finding == nullptr && !slot.refused) return DataplaneReason::shutdown;
  return DataplaneReason::kNone;
}

Verdict verdict_on(const UploadSlot& slot, const UploadTrail& trail, const Finding* finding,
                   const FailPolicy& policy) {
  const DataplaneReason reason = unasked_reason(slot, trail, finding);
  if (reason != DataplaneReason::kNone) {
    Verdict verdict = judge_unasked(reason, policy);
    if (finding != nullptr) verdict.matches = finding->verdict.matches;  // evidence, too late
    return verdict;
  }
  if (finding != nullptr) return finding->verdict;
  return judge({}, DecodeEnd{.outcome = DecodeOutcome::decoder_overload}, policy);
}

bool did_as_told(const Verdict& verdict, const GateReport& gate) {
  if (gate.outcome == GateOutcome::kAborted) return false;
  const bool blocked =
      gate.outcome == GateOutcome::kBlocked || gate.outcome == GateOutcome::kBlockedUnasked;
  return blocked == (verdict.verdict == VerdictKind::kBlock);
}

RequestSummary request_of(const UploadSlot& slot, const UploadTrail& trail) {
  RequestSummary request;
  request.request_id = slot.request_id.view();
  request.method = slot.method.view();
  request.host = slot.host.view();
  request.path = slot.path.view();
  request.client = slot.client.view();
  request.uploader = slot.uploader.view();
  request.part = slot.part;
  request.file_name = slot.file_name.view();
  request.resource = slot.resource.view();
  if (trail.gate) {
    request.parts = trail.gate->parts;
    request.connections = trail.gate->connections;
  }
  return request;
}

}  // namespace

Decision make_decision(const UploadSlot& slot, const UploadTrail& trail, const Finding* finding,
                       const FailPolicy& policy, const std::string& policy_version) {
  Decision decision;
  decision.upload_id = slot.upload_id.data();
  decision.time = slot.first_byte;
  decision.mode = name(slot.mode);
  decision.request = request_of(slot, trail);
  decision.verdict = verdict_on(slot, trail, finding, policy);
  decision.policy_version = policy_version;
  decision.gate = trail.gate;
  if (trail.gate && trail.gate->reason == DataplaneReason::operator_release) {
    decision.released_by = slot.released_by;
  }
  decision.first_byte = slot.first_byte;
  decision.last_byte = trail.last_byte;
  decision.bytes = slot.bytes.load(std::memory_order_relaxed);
  // Once no more bytes are wanted they are not counted either.
  if (trail.last_byte) decision.bytes = std::max(decision.bytes, slot.body_bytes);
  if (finding != nullptr) {
    decision.early = finding->early;
    decision.decode = finding->end;
    decision.index_version = finding->index_version;
    decision.decided = finding->at;
  }
  if (trail.gate) {
    decision.enforced = slot.mode == Mode::kEnforce && did_as_told(decision.verdict, *trail.gate);
    if (!decision.decided) decision.decided = trail.gate->at;
    if (trail.gate->outcome != GateOutcome::kAborted) decision.released = trail.gate->at;
  }
  return decision;
}

}  // namespace soundgate
