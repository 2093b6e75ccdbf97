#include "dataplane/flow/flow_life.h"

#include <algorithm>
#include <cassert>

#include "dataplane/tcp/transmitter.h"

namespace soundgate {
namespace {

bool is_open(FlowPhase phase) {
  return phase == FlowPhase::kOpening || phase == FlowPhase::kInspected ||
         phase == FlowPhase::kMidstream || phase == FlowPhase::kPassing;
}

// What a full table gives up first comes first.
enum class Worth : uint8_t {
  kNone,       // not open, or over: the client opens it again
  kUnseen,     // not read, and idle: what it goes on with is taken for a connection from before
  kInspected,  // read, and idle between two requests: it is reset
  kNeeded,
};

Worth worth_of(const Core& core, const Flow& flow) {
  const bool followed = flow.phase == FlowPhase::kInspected || flow.upload != Flow::kNoUpload;
  const Tick idle = core.now.tick - std::max(flow.last_seen, flow.since);
  if (flow.phase == FlowPhase::kOpening || flow.phase == FlowPhase::kEnded) return Worth::kNone;
  if (flow.closing && !followed) return Worth::kNone;
  if (flow.phase == FlowPhase::kMidstream || flow.phase == FlowPhase::kPassing) {
    return idle >= kUnseenIdleForRoom ? Worth::kUnseen : Worth::kNeeded;
  }
  const bool answered =
      flow.responses.at_boundary() && flow.responses.completed() == flow.requests.heads();
  const bool rests = flow.phase == FlowPhase::kInspected && flow.upload == Flow::kNoUpload &&
                     flow.requests.at_boundary() && flow.client.bytes.empty() && answered;
  return rests && idle >= kInspectedIdleForRoom ? Worth::kInspected : Worth::kNeeded;
}

// Of those that are looked at, the least worth, and of these the longest idle.
Flow* spare_entry(Core& core) {
  Flow* spare = nullptr;
  Worth least = Worth::kNeeded;
  for (size_t count = 0; count < kFlowsScannedForRoom; ++count) {
    Flow& flow = core.flows.next_in_turn();
    const Worth worth = worth_of(core, flow);
    if (worth == Worth::kNone) return &flow;
    const bool longer = spare && worth == least && flow.last_seen < spare->last_seen;
    if (worth < least || longer) {
      spare = &flow;
      least = worth;
    }
  }
  return spare;
}

// Forgotten only, an inspected connection could go on unseen, with a request in pieces.
void give_up(Core& core, Flow& flow) {
  if (flow.phase == FlowPhase::kInspected && core.enforcing()) {
    reset_origin(core, flow);
    reset_client(core, flow);
  }
  if (flow.phase == FlowPhase::kMidstream || flow.phase == FlowPhase::kPassing ||
      flow.phase == FlowPhase::kInspected) {
    core.counters.flows_evicted.add();
  }
  forget(core, flow);
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
  give_up(core, *spare);
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
  core.forms.give_back(flow);
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
