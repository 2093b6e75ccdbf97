// Decodes a file as cheaply as libav can, and throws the samples away: what a worker is measured
// against.
// Errors: std::runtime_error.  Thread: the calling one; libav starts none.
#pragma once

#include <cstdint>
#include <string>

namespace soundgate {

uint64_t decode_bare(const std::string& path);  // returns how many samples a channel there were

}  // namespace soundgate
