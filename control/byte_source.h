// Where the bytes of a file come from: a file that the command line opened, or a request's body.
// Thread: one at a time.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

#include "control/error.h"

namespace soundgate {

class ByteSource {
 public:
  virtual ~ByteSource() = default;
  // Fills at most buffer.size() bytes; 0 at the end. Error: why reading failed. May block.
  virtual Result<size_t> read(std::span<std::byte> buffer) = 0;
  virtual int64_t size_bytes() const { return -1; }  // -1 where it is not known
};

}  // namespace soundgate
