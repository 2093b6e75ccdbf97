// The buffers that stored bytes live in: a fixed number, taken and given back by index.
// Memory: count × sizeof(Buffer), allocated once.  Thread: the owning lcore.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>

#include "dataplane/flow/bytes.h"
#include "dataplane/limits.h"

namespace soundgate {

struct Buffer {
  uint64_t offset = 0;  // of its first byte in the stream
  uint32_t previous = 0;
  uint32_t next = 0;
  uint32_t bytes = 0;
  std::array<std::byte, kBufferBytes> data;

  uint64_t end() const { return offset + bytes; }
};

class BufferPool {
 public:
  static constexpr uint32_t kNone = UINT32_MAX;

  explicit BufferPool(size_t count);

  uint32_t take();  // kNone when all are taken
  void give(uint32_t index);
  Buffer& operator[](uint32_t index) { return buffers_[index]; }
  const Buffer& operator[](uint32_t index) const { return buffers_[index]; }
  size_t free_count() const { return free_count_; }
  size_t count() const { return count_; }

 private:
  size_t count_;
  size_t free_count_;
  uint32_t first_free_;
  std::unique_ptr<Buffer[]> buffers_;
};

}  // namespace soundgate
