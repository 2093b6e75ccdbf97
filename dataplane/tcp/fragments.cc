#include "dataplane/tcp/fragments.h"

#include "dataplane/tcp/client_path.h"

namespace soundgate {
namespace {

// Of what the origin may still take.
bool is_awaited(const Flow& flow, const Frame& frame) {
  const ClientHalf& client = flow.client;
  const uint64_t at = offset_of(frame.sequence, client.first, client.acknowledged);
  return !before(at, client.acknowledged) && before(at, client.acknowledged + kFlowReachBytesMax);
}

}  // namespace

// Where one passes, the bytes of its connection are not those that were read any more: that ends
// the inspection. (Without its first piece the rest of a segment is nothing: later ones need no
// look.)
void Fragments::on_client_fragment(const Frame& frame) {
  constexpr auto kReason = DataplaneReason::ip_fragments;
  Flow* flow = core_.flows.find(flow_key(frame, Side::kClient));
  const bool counts = flow && flow->phase == FlowPhase::kInspected && is_awaited(*flow, frame);
  const bool strict = flow ? core_.is_strict(*flow) : core_.enforcing();
  if (strict && !may_pass_unread(flow, counts)) {
    core_.counters.count(kReason);
    core_.counters.segments_refused.add();
    return;
  }
  core_.io.forward(Side::kOrigin, frame.bytes.size());
  if (counts && core_.upload_of(*flow)) {
    gate_.fail(*flow, kReason);
  } else {
    core_.counters.count(kReason);
  }
  if (counts) let_go(core_, *flow, FlowPhase::kMidstream);
}

// Enforcing: never where a refusal is on its way or over, or the connection is not open.
bool Fragments::may_pass_unread(const Flow* flow, bool counts) {
  if (core_.fail_action(DataplaneReason::ip_fragments) == FailAction::kBlock) return false;
  if (!flow && core_.config.lcore_count > 1) return false;  // another lcore may know it
  if (!flow || flow->phase == FlowPhase::kMidstream || flow->phase == FlowPhase::kPassing) {
    return true;
  }
  const Upload* upload = core_.upload_of(*flow);
  return counts && !(upload && upload->phase == UploadPhase::kTurnWait);
}

}  // namespace soundgate
