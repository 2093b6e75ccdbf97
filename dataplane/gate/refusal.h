// The HTTP response that refuses an upload. It names the upload and nothing else: references and
// scores would teach evaders.
#pragma once

#include <span>
#include <string_view>

#include "dataplane/flow/bytes.h"

namespace soundgate {

// Writes the whole response; returns how much of `out` it takes. `message` at most
// kBlockMessageBytesMax bytes, `out` at least kBlockResponseBytesMax.
size_t write_refusal(int status, std::string_view upload_id, std::string_view message,
                     std::span<std::byte> out);

}  // namespace soundgate
