#include "dataplane/gate/seen_bytes.h"

#include <algorithm>

namespace soundgate {
namespace {

constexpr uint64_t kPrime = (uint64_t{1} << 61) - 1;
constexpr uint64_t kWordFull = uint64_t{1} << 56;  // the one in front of seven bytes

uint64_t times(uint64_t a, uint64_t b) {
  const auto product = static_cast<unsigned __int128>(a) * b;
  const uint64_t sum =
      static_cast<uint64_t>(product & kPrime) + static_cast<uint64_t>(product >> 61);
  return sum >= kPrime ? sum - kPrime : sum;
}

}  // namespace

SeenPool::SeenPool(size_t count, uint64_t secret)
    : bytes_(std::make_unique_for_overwrite<std::byte[]>(count * kSeenBlockBytes)),
      next_(count),
      secret_(2 + secret % (kPrime - 3)) {
  for (uint32_t block = 0; block < count; ++block) give(block);
}

uint32_t SeenPool::take() {
  const uint32_t block = first_free_;
  if (block == kNone) return kNone;
  first_free_ = next_[block];
  next_[block] = kNone;
  --free_count_;
  return block;
}

void SeenPool::give(uint32_t block) {
  next_[block] = first_free_;
  first_free_ = block;
  ++free_count_;
}

void RunDigest::add(uint64_t secret, Bytes bytes) {
  for (const std::byte byte : bytes) {
    pending_ = pending_ << 8 | std::to_integer<uint64_t>(byte);
    if (pending_ < kWordFull) continue;
    value_ = (times(value_, secret) + pending_) % kPrime;
    pending_ = 1;
  }
}

void SeenBytes::confirm(SeenPool& pool, uint64_t offset) {
  if (offset <= base_ || offset < kept_from_ || offset > end_) return;
  if (comparing_) return;  // what it has is not known to be the same
  while (first_ != SeenPool::kNone && first_begin_ + kSeenBlockBytes <= offset) drop_first(pool);
  base_ = kept_from_ = offset;
  digest_ = RunDigest();
  if (offset == end_) {
    clear(pool);
    first_begin_ = offset;
  }
}

bool SeenBytes::go_to(uint64_t offset) {
  if (comparing_ && offset != again_end_) return false;
  if (offset > end_) return false;
  if (!comparing_ && offset < kept_from_) {
    if (offset != base_) return false;
    comparing_ = true;
    again_ = RunDigest();
    again_end_ = base_;
  }
  position_ = offset;
  return true;
}

std::optional<Bytes> SeenBytes::take(SeenPool& pool, Bytes bytes) {
  if (comparing_) {
    const size_t count = std::min<uint64_t>(bytes.size(), kept_from_ - position_);
    if (!compare_digest(pool, bytes.first(count))) return std::nullopt;
    bytes = bytes.subspan(count);
  }
  const size_t again = std::min<uint64_t>(bytes.size(), end_ - position_);
  if (!compare_kept(pool, bytes.first(again))) return std::nullopt;
  position_ += again;
  const Bytes fresh = bytes.subspan(again);
  keep(pool, fresh);
  position_ += fresh.size();
  return fresh;
}

bool SeenBytes::compare_digest(SeenPool& pool, Bytes bytes) {
  again_.add(pool.secret(), bytes);
  position_ += bytes.size();
  again_end_ = position_;
  if (position_ < kept_from_) return true;
  comparing_ = false;
  return again_ == digest_;
}

bool SeenBytes::compare_kept(SeenPool& pool, Bytes bytes) const {
  uint64_t at = position_;
  uint64_t begin = first_begin_;
  for (uint32_t block = first_; block != SeenPool::kNone && !bytes.empty();
       block = pool.next(block), begin += kSeenBlockBytes) {
    if (at < begin) return false;  // it is not kept any more
    if (at >= begin + kSeenBlockBytes) continue;
    const size_t from = static_cast<size_t>(at - begin);
    const size_t count = std::min(bytes.size(), kSeenBlockBytes - from);
    if (!std::ranges::equal(bytes.first(count), pool.bytes(block).subspan(from, count))) {
      return false;
    }
    bytes = bytes.subspan(count);
    at += count;
  }
  return bytes.empty();
}

bool SeenBytes::may_take(const SeenPool& pool) const {
  return block_count_ < kSeenBlocksPerResourceMax &&
         block_count_ <= pool.free_count() / kSeenPoolShare && pool.free_count() > 0;
}

void SeenBytes::keep(SeenPool& pool, Bytes bytes) {
  while (!bytes.empty()) {
    const uint64_t room_end = first_begin_ + block_count_ * kSeenBlockBytes;
    if (end_ == room_end) {
      if (!may_take(pool) && first_ != SeenPool::kNone) {
        digest_kept(pool, pool.bytes(first_));
        drop_first(pool);
      }
      const uint32_t block = pool.take();
      if (block == SeenPool::kNone) {  // nothing can be kept: all of it goes into the digest
        digest_.add(pool.secret(), bytes);
        end_ += bytes.size();
        kept_from_ = first_begin_ = end_;
        return;
      }
      (first_ == SeenPool::kNone ? first_ : pool.next(last_)) = block;
      last_ = block;
      ++block_count_;
      continue;
    }
    const size_t from = kSeenBlockBytes - static_cast<size_t>(room_end - end_);
    const size_t count = std::min(bytes.size(), kSeenBlockBytes - from);
    std::ranges::copy(bytes.first(count), pool.bytes(last_).subspan(from).begin());
    end_ += count;
    bytes = bytes.subspan(count);
  }
}

// The first block goes: what of it is not confirmed becomes a part of the digest.
void SeenBytes::digest_kept(SeenPool& pool, Bytes bytes) {
  const size_t skipped = static_cast<size_t>(kept_from_ - first_begin_);
  digest_.add(pool.secret(), bytes.subspan(skipped));
  kept_from_ = first_begin_ + kSeenBlockBytes;
}

void SeenBytes::drop_first(SeenPool& pool) {
  const uint32_t block = first_;
  first_ = pool.next(block);
  if (first_ == SeenPool::kNone) last_ = SeenPool::kNone;
  first_begin_ += kSeenBlockBytes;
  --block_count_;
  pool.give(block);
}

void SeenBytes::clear(SeenPool& pool) {
  while (first_ != SeenPool::kNone) drop_first(pool);
  kept_from_ = first_begin_ = end_;
}

}  // namespace soundgate
