// Asks a daemon over its socket: one request, one connection.
// Errors: kUnavailable where nobody answers; what the daemon says is a response, not an error.
// Thread: any, each call on its own.
#pragma once

#include <chrono>
#include <filesystem>
#include <string>

#include "control/api/router.h"
#include "control/error.h"

namespace soundgate {

// body: null for none; its bytes are sent in chunks while they are read. What is no text (a backup)
// comes as a stream, which fails where the daemon breaks off. answer_max: for its first byte.
Result<ApiResponse> http_request(const std::filesystem::path& socket, const std::string& method,
                                 const std::string& target, ByteSource* body,
                                 std::chrono::seconds answer_max = std::chrono::minutes(10));

}  // namespace soundgate
