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
  kInspected,  // read, and idle, without an upload: it is reset
  kNeeded,
};

// What keeps a connection is that something comes of it: neither keep-alives, nor segments that
// lead nowhere, nor a response that is awaited for ever.
Worth worth_of(const Core& core, const Flow& flow) {
  const Tick now = core.now.tick;
  const Tick idle = now - std::max(flow.client.progress, flow.since);
  switch (flow.phase) {
    case FlowPhase::kFree:
    case FlowPhase::kOpening:
    case FlowPhase::kEnded:
      return Worth::kNone;
    case FlowPhase::kMidstream:  // anybody can make these up, but for what the origin says to them
      if (!flow.watch.origin_seen) return Worth::kNone;
      [[fallthrough]];
    case FlowPhase::kPassing:
      if (flow.closing) return Worth::kNone;
      return idle >= kUnseenIdleForRoom ? Worth::kUnseen : Worth::kNeeded;
    case FlowPhase::kInspected: {
      const bool rests = flow.upload == Flow::kNoUpload && idle >= kInspectedIdleForRoom;
      return rests ? Worth::kInspected : Worth::kNeeded;
    }
    case FlowPhase::kRefusing:
    case FlowPhase::kRefused: {
      const bool is_over = flow.upload == Flow::kNoUpload && now - flow.since >= kRefusedAgeForRoom;
      return is_over ? Worth::kNone : Worth::kNeeded;
    }
  }
  return Worth::kNeeded;
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
  if (flow.phase == FlowPhase::kInspected && core.is_strict(flow)) {
    reset_origin(core, flow);
    reset_client(core, flow);
  } else if (flow.phase == FlowPhase::kRefused && core.enforcing()) {
    reset_origin(core, flow);  // it may have missed the one before
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
