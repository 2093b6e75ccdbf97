#include "dataplane/flow/flow_life.h"

#include <cassert>

namespace soundgate {
namespace {

bool is_open(FlowPhase phase) {
  return phase == FlowPhase::kOpening || phase == FlowPhase::kInspected ||
         phase == FlowPhase::kMidstream || phase == FlowPhase::kPassing;
}

// Of these nothing is lost that a client could miss: it opens the connection again.
bool may_make_room(const Flow& flow) {
  const bool followed = flow.phase == FlowPhase::kInspected || flow.upload != Flow::kNoUpload;
  return flow.phase == FlowPhase::kOpening || flow.phase == FlowPhase::kEnded ||
         (flow.closing && !followed);
}

Flow* spare_entry(Core& core) {
  for (size_t count = 0; count < kFlowsScannedForRoom; ++count) {
    Flow& flow = core.flows.next_in_turn();
    if (may_make_room(flow)) return &flow;
  }
  return nullptr;
}

void move_gauge(Counter& gauge, bool was, bool is) {
  if (is && !was) gauge.add();
  if (was && !is) gauge.subtract(1);
}

}  // namespace

Flow* make_entry(Core& core, const FlowKey& key) {
  if (Flow* flow = core.flows.insert(key)) return flow;
  Flow* spare = spare_entry(core);
  if (!spare) return nullptr;
  forget(core, *spare);
  return core.flows.insert(key);
}

bool can_make_room(Core& core) { return spare_entry(core) != nullptr; }

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
  if (flow.exchange != Flow::kNoExchange) core.exchanges.give(flow.exchange);
  flow.exchange = Flow::kNoExchange;
}

void forget(Core& core, Flow& flow) {
  assert(flow.upload == Flow::kNoUpload);
  stop_following(core, flow);
  enter_phase(core, flow, FlowPhase::kFree);
  core.flows.erase(flow);
}

}  // namespace soundgate
