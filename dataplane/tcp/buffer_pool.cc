#include "dataplane/tcp/buffer_pool.h"

#include <cassert>

namespace soundgate {

BufferPool::BufferPool(size_t count)
    : count_(count), free_count_(count), first_free_(0), buffers_(new Buffer[count]) {
  for (uint32_t index = 0; index < count; ++index) buffers_[index].next = index + 1;
  buffers_[count - 1].next = kNone;
}

uint32_t BufferPool::take() {
  const uint32_t index = first_free_;
  if (index == kNone) return kNone;
  first_free_ = buffers_[index].next;
  --free_count_;
  buffers_[index].previous = buffers_[index].next = kNone;
  buffers_[index].bytes = 0;
  return index;
}

void BufferPool::give(uint32_t index) {
  assert(index < count_);
  buffers_[index].next = first_free_;
  first_free_ = index;
  ++free_count_;
}

}  // namespace soundgate
