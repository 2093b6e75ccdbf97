// What the sink is told of uploads: that one begins, and how it ended. Both are counted.
// Thread: the owning lcore.
#pragma once

#include "dataplane/core.h"

namespace soundgate {

// of_resource: it is a part of a resource, or all of one; then it is named.
SinkResult announce(Core& core, const Flow& flow, const RequestHead& head, int64_t body_bytes,
                    UploadKey key, bool of_resource);

void report_closed(Core& core, const GateReport& report);

}  // namespace soundgate
