#include "dataplane/tcp/byte_queue.h"

#include <algorithm>
#include <array>
#include <cstring>

#include "dataplane/tcp/sequence.h"

namespace soundgate {

uint32_t ByteQueue::find(const BufferPool& pool, uint64_t offset) const {
  if (empty() || pool[last_].end() <= offset) return BufferPool::kNone;
  const bool near_the_end =
      pool[last_].end() - offset < offset - std::min(offset, pool[first_].offset);
  if (!near_the_end) {
    uint32_t index = first_;
    while (pool[index].end() <= offset) index = pool[index].next;
    return index;
  }
  uint32_t index = last_;
  while (pool[index].previous != BufferPool::kNone && pool[pool[index].previous].end() > offset) {
    index = pool[index].previous;
  }
  return index;
}

size_t ByteQueue::impose_on(const BufferPool& pool, uint64_t offset, MutableBytes bytes) const {
  const uint64_t end = offset + bytes.size();
  size_t differing = 0;
  for (uint32_t index = find(pool, offset); index != BufferPool::kNone; index = pool[index].next) {
    const Buffer& buffer = pool[index];
    if (buffer.offset >= end) break;
    const uint64_t from = std::max(offset, buffer.offset);
    const uint64_t to = std::min(end, buffer.end());
    std::byte* theirs = bytes.data() + (from - offset);
    const std::byte* ours = buffer.data.data() + (from - buffer.offset);
    if (std::memcmp(theirs, ours, to - from) == 0) continue;
    for (uint64_t i = 0; i < to - from; ++i) differing += theirs[i] != ours[i];
    std::memcpy(theirs, ours, to - from);
  }
  return differing;
}

bool ByteQueue::insert(BufferPool& pool, uint64_t offset, Bytes bytes, Claim claim) {
  uint32_t index = find(pool, offset);
  while (!bytes.empty()) {
    const bool in_gap = index == BufferPool::kNone || pool[index].offset > offset;
    size_t step = bytes.size();
    if (in_gap) {
      if (index != BufferPool::kNone) step = std::min(step, pool[index].offset - offset);
      if (!fill_gap(pool, index, offset, bytes.first(step), claim)) return false;
    } else {
      step = std::min(step, pool[index].end() - offset);
      index = pool[index].next;
    }
    offset += step;
    bytes = bytes.subspan(step);
  }
  return true;
}

// Puts bytes that nobody has into the gap in front of the buffer `before` (kNone: at the end).
bool ByteQueue::fill_gap(BufferPool& pool, uint32_t before, uint64_t offset, Bytes bytes,
                         Claim claim) {
  uint32_t index = before == BufferPool::kNone ? last_ : pool[before].previous;
  while (!bytes.empty()) {
    const bool extends = index != BufferPool::kNone && pool[index].end() == offset &&
                         pool[index].bytes < kBufferBytes;
    if (!extends) index = append_buffer(pool, before, offset, claim);
    if (index == BufferPool::kNone) return false;
    Buffer& buffer = pool[index];
    const size_t step = std::min(bytes.size(), kBufferBytes - buffer.bytes);
    std::memcpy(buffer.data.data() + buffer.bytes, bytes.data(), step);
    buffer.bytes += static_cast<uint32_t>(step);
    offset += step;
    bytes = bytes.subspan(step);
  }
  return true;
}

bool ByteQueue::may_take(const BufferPool& pool, Claim claim) const {
  if (claim == Claim::kReserve) return true;
  const size_t reserve = pool.count() / kPoolReserveShare;
  if (pool.free_count() <= reserve) return false;
  const size_t share = (pool.free_count() - reserve) / kFlowPoolShare + 1;
  return buffer_count_ < std::min(kFlowBuffersMax, share);
}

uint32_t ByteQueue::append_buffer(BufferPool& pool, uint32_t before, uint64_t offset, Claim claim) {
  if (!may_take(pool, claim)) return BufferPool::kNone;
  const uint32_t index = pool.take();
  if (index == BufferPool::kNone) return index;
  Buffer& buffer = pool[index];
  buffer.offset = offset;
  buffer.next = before;
  buffer.previous = before == BufferPool::kNone ? last_ : pool[before].previous;
  (buffer.previous == BufferPool::kNone ? first_ : pool[buffer.previous].next) = index;
  (before == BufferPool::kNone ? last_ : pool[before].previous) = index;
  ++buffer_count_;
  return index;
}

void ByteQueue::unlink(BufferPool& pool, uint32_t index) {
  const Buffer& buffer = pool[index];
  (buffer.previous == BufferPool::kNone ? first_ : pool[buffer.previous].next) = buffer.next;
  (buffer.next == BufferPool::kNone ? last_ : pool[buffer.next].previous) = buffer.previous;
  --buffer_count_;
  pool.give(index);
}

void ByteQueue::release_below(BufferPool& pool, uint64_t offset) {
  while (!empty() && pool[first_].end() <= offset) unlink(pool, first_);
}

void ByteQueue::clear(BufferPool& pool) {
  while (!empty()) unlink(pool, first_);
}

Bytes ByteQueue::at(const BufferPool& pool, uint64_t offset) const {
  const uint32_t index = find(pool, offset);
  if (index == BufferPool::kNone || pool[index].offset > offset) return {};
  const Buffer& buffer = pool[index];
  return Bytes(buffer.data).first(buffer.bytes).subspan(offset - buffer.offset);
}

size_t ByteQueue::copy(const BufferPool& pool, uint64_t offset, MutableBytes out) const {
  size_t copied = 0;
  while (copied < out.size()) {
    const Bytes piece = at(pool, offset + copied);
    if (piece.empty()) break;
    const size_t step = std::min(piece.size(), out.size() - copied);
    std::memcpy(out.data() + copied, piece.data(), step);
    copied += step;
  }
  return copied;
}

uint64_t ByteQueue::next_stored(const BufferPool& pool, uint64_t offset) const {
  const uint32_t index = find(pool, offset);
  return index == BufferPool::kNone ? kNoOffset : std::max(offset, pool[index].offset);
}

bool ByteQueue::contains(const BufferPool& pool, uint64_t begin, uint64_t end, Bytes text) const {
  std::array<std::byte, 2 * kBufferBytes> space;
  for (uint64_t at = next_stored(pool, begin); at < end; at = next_stored(pool, at)) {
    const auto room = static_cast<size_t>(std::min<uint64_t>(space.size(), end - at));
    const size_t bytes = copy(pool, at, MutableBytes(space).first(room));
    if (memmem(space.data(), bytes, text.data(), text.size()) != nullptr) return true;
    // What begins in the last of these bytes goes on behind them, if it is not a gap that does.
    at += bytes < space.size() ? bytes : bytes - (text.size() - 1);
  }
  return false;
}

}  // namespace soundgate
