// Names for uploads: 26 characters of Crockford's base 32 that sort by time (as a ULID does):
// 48 bits of milliseconds since the epoch, then 80 bits that make it unique.
// Thread: a maker belongs to one.  Nothing is allocated.
#pragma once

#include <array>
#include <cstdint>

#include "dataplane/upload.h"

namespace soundgate {

inline constexpr size_t kUploadIdBytes = 26;
using UploadId = std::array<char, kUploadIdBytes + 1>;  // NUL-terminated
static_assert(kUploadIdBytes <= GateDecision::kUploadIdBytes);

class UploadIdMaker {
 public:
  explicit UploadIdMaker(uint64_t seed) : state_(seed) {}
  UploadId make(WallTime now);

 private:
  uint64_t next();
  uint64_t state_;
};

}  // namespace soundgate
