// The body of a stream's fiber: from its bytes to its items, and how that ended.
#pragma once

#include "fingerprint/decode/worker/stream_task.h"

namespace soundgate::decode {

ResultEnd decode_stream(StreamContext& stream);

}  // namespace soundgate::decode
