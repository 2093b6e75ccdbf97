// The bytes of one direction of a connection that are still of interest, by stream offset:
// received out of order, forwarded but not acknowledged, or held. Gaps are allowed. The first
// bytes that came for an offset stay: later ones that differ are overwritten with them.
// Bounded: kFlowBuffersMax buffers, and a share of what the pool has left. A part of the pool is a
// reserve for bytes without which a connection cannot go on.
// Thread: the owning lcore.  Memory: the pool's buffers; clear() gives them back, and must have
// been called before the object goes.
#pragma once

#include <cstdint>

#include "dataplane/tcp/buffer_pool.h"

namespace soundgate {

class ByteQueue {
 public:
  enum class Claim : uint8_t { kShare, kReserve };

  // Where the queue has bytes for a part of `bytes`, that part becomes what the queue has.
  // Returns how many bytes differed.
  size_t impose_on(const BufferPool& pool, uint64_t offset, MutableBytes bytes) const;

  // Stores what it does not have yet. False when there was no room for all of it; what was stored
  // stays, as the first bytes for their offsets.
  [[nodiscard]] bool insert(BufferPool& pool, uint64_t offset, Bytes bytes,
                            Claim claim = Claim::kShare);

  void release_below(BufferPool& pool, uint64_t offset);
  void clear(BufferPool& pool);

  // The bytes from offset to the end of the buffer that has it; empty where there are none.
  Bytes at(const BufferPool& pool, uint64_t offset) const;
  // Copies up to out.size() bytes from offset on, up to the first gap. Returns how many.
  size_t copy(const BufferPool& pool, uint64_t offset, MutableBytes out) const;
  // The lowest offset at or above this one that has a byte; kNoOffset when there is none.
  uint64_t next_stored(const BufferPool& pool, uint64_t offset) const;

  // Whether the text, of at most kBufferBytes, stands somewhere in [begin, end) without a gap in
  // it.
  bool contains(const BufferPool& pool, uint64_t begin, uint64_t end, Bytes text) const;

  bool empty() const { return first_ == BufferPool::kNone; }
  uint64_t end(const BufferPool& pool) const { return empty() ? 0 : pool[last_].end(); }
  size_t buffer_count() const { return buffer_count_; }

 private:
  // The first buffer that ends after the offset, or kNone.
  uint32_t find(const BufferPool& pool, uint64_t offset) const;
  bool fill_gap(BufferPool& pool, uint32_t before, uint64_t offset, Bytes bytes, Claim claim);
  bool may_take(const BufferPool& pool, Claim claim) const;
  uint32_t append_buffer(BufferPool& pool, uint32_t before, uint64_t offset, Claim claim);
  void unlink(BufferPool& pool, uint32_t index);

  uint32_t first_ = BufferPool::kNone;
  uint32_t last_ = BufferPool::kNone;
  uint32_t buffer_count_ = 0;
};

}  // namespace soundgate
