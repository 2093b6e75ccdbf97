// The line with a chunk's size, before it is whole. Thread: any.  Source: RFC 9112 section 7.1.
#pragma once

#include "dataplane/flow/bytes.h"

namespace soundgate {

// A size that starts with another digit than 0 is not the last chunk's. line: not empty.
inline bool starts_nonzero_size(Bytes line) {
  const auto c = std::to_integer<char>(line.front());
  return (c >= '1' && c <= '9') || (c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F');
}

}  // namespace soundgate
