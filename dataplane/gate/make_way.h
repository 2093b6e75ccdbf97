// Who gives way when what all uploads share (decoders, places on record) is nearly used up.
// One more upload takes one of the few that are left, and another gives its own up: one that hardly
// comes, or whose refusal waits for its turn, else one of a client who has at least two more than
// the newcomer's. Of several it is one of the client who has most, and of those the one that has
// been silent for longest. A resource of which no part is on its way counts as one of the
// client's who sent its last part, and is silent while it is idle.
// Thread: the owning lcore.  Source: README, decision 31.
#pragma once

#include "dataplane/core.h"
#include "dataplane/gate/resource_life.h"

namespace soundgate {

// Before an upload of this flow begins; some other one may be marked to give way. False: it gets no
// decoder. Nobody gives way to it, and nobody has more than its client: the last ones are for
// others.
[[nodiscard]] bool make_way(Core& core, ResourceLife& resources, const Flow& flow);

}  // namespace soundgate
