// What the sink is told of uploads: that one begins, and how it ended. Both are counted.
// Thread: the owning lcore.
#pragma once

#include "dataplane/core.h"

namespace soundgate {

// What an upload is, beside its request's head.
struct UploadFacts {
  int64_t body_bytes = -1;  // of all of it, or -1 where nobody has said yet
  bool holds = false;
  BodyKind kind = BodyKind::kPlain;
  ContentCoding coding = ContentCoding::kNone;
  const MultipartReader* form = nullptr;  // of whose part in progress it is
  bool of_resource = false;               // a part of one, or all of it; then it is named
  bool may_decode = true;
};

SinkResult announce(Core& core, const Flow& flow, const RequestHead& head, const UploadFacts& facts,
                    UploadKey key);

void report_closed(Core& core, const GateReport& report);

}  // namespace soundgate
