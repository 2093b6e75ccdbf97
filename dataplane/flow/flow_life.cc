#include "dataplane/flow/flow_life.h"

#include <cassert>

namespace soundgate {
namespace {

bool is_open(FlowPhase phase) {
  return phase == FlowPhase::kOpening || phase == FlowPhase::kInspected ||
         phase == FlowPhase::kMidstream || phase == FlowPhase::kPassing;
}

void move_gauge(Counter& gauge, bool was, bool is) {
  if (is && !was) gauge.add();
  if (was && !is) gauge.subtract(1);
}

}  // namespace

void enter_phase(Core& core, Flow& flow, FlowPhase phase) {
  move_gauge(core.counters.flows_open, is_open(flow.phase), is_open(phase));
  move_gauge(core.counters.flows_midstream, flow.phase == FlowPhase::kMidstream,
             phase == FlowPhase::kMidstream);
  flow.phase = phase;
  flow.since = core.now.tick;
}

void stop_following(Core& core, Flow& flow) {
  flow.client.bytes.clear(core.buffers);
  flow.origin.bytes.clear(core.buffers);
  core.heads.give_back(flow);
}

void forget(Core& core, Flow& flow) {
  assert(flow.upload == Flow::kNoUpload);
  stop_following(core, flow);
  enter_phase(core, flow, FlowPhase::kFree);
  core.flows.erase(flow);
}

}  // namespace soundgate
