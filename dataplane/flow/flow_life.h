// The changes of a connection's phase, and what has to be given back and counted with them.
// Thread: the owning lcore.
#pragma once

#include "dataplane/core.h"

namespace soundgate {

// A fresh entry. In a full table another one makes room: one that is not open, or not yet; else one
// that has been idle and is not read; else one that has been idle without an upload, which is
// reset when enforcing. Null where none of kFlowsScannedForRoom is like that.
Flow* make_entry(Core& core, const FlowKey& key);

// Whether a full table would have one just now.
bool can_make_room(Core& core);

// Counts, and starts the phase's clock.
void enter_phase(Core& core, Flow& flow, FlowPhase phase);

// Gives back what the connection borrowed for being followed: stored bytes, its head, form and
// exchange.
void stop_following(Core& core, Flow& flow);

// Out of the table. The upload must be closed.
void forget(Core& core, Flow& flow);

}  // namespace soundgate
