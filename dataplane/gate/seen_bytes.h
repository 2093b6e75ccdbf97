// What is remembered of the bytes of a resource that the origin may not have stored: they may come
// again, and then they must be the same, or what is inspected is not what arrives.
// The last of them are kept as they are, the ones before as a digest: bytes that come again are
// compared from where the origin was last known to be, or from anywhere in the kept ones.
// Thread: the owning lcore.  Memory: blocks of the pool; clear() gives them back.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <vector>

#include "dataplane/flow/bytes.h"
#include "dataplane/limits.h"

namespace soundgate {

class SeenPool {
 public:
  static constexpr uint32_t kNone = UINT32_MAX;

  // secret: of the digests.
  SeenPool(size_t count, uint64_t secret);

  uint32_t take();  // kNone when all are taken
  void give(uint32_t block);
  MutableBytes bytes(uint32_t block) {
    return MutableBytes(bytes_.get() + block * kSeenBlockBytes, kSeenBlockBytes);
  }
  uint32_t& next(uint32_t block) { return next_[block]; }

  size_t free_count() const { return free_count_; }
  size_t count() const { return next_.size(); }
  uint64_t secret() const { return secret_; }

 private:
  const std::unique_ptr<std::byte[]> bytes_;  // count blocks, touched when they are used
  std::vector<uint32_t> next_;
  uint32_t first_free_ = kNone;
  size_t free_count_ = 0;
  const uint64_t secret_;
};

// Of bytes in order. Two different texts of n bytes have the same digest with a probability of
// n / 2^63, for whoever does not know the secret.
class RunDigest {
 public:
  void add(uint64_t secret, Bytes bytes);
  friend bool operator==(const RunDigest&, const RunDigest&) = default;

 private:
  uint64_t value_ = 0;    // a polynomial of the words so far, modulo 2^61 - 1
  uint64_t pending_ = 1;  // the bytes of a word that is not whole, behind a one
};

class SeenBytes {
 public:
  uint64_t end() const { return end_; }  // seen up to here, each byte from 0 on

  // The origin has everything in front of this offset. Not while bytes come again that lie in front
  // of it: nothing is left then that they could be compared with.
  void confirm(SeenPool& pool, uint64_t offset);

  // Bytes follow from here on. False where they could not be compared with those seen before.
  [[nodiscard]] bool go_to(uint64_t offset);
  uint64_t position() const { return position_; }

  // Takes the next bytes, and returns those that were not seen before; nothing where one of them
  // differs from what came first.
  std::optional<Bytes> take(SeenPool& pool, Bytes bytes);

  void clear(SeenPool& pool);
  size_t block_count() const { return block_count_; }

 private:
  bool compare_kept(SeenPool& pool, Bytes bytes) const;
  bool compare_digest(SeenPool& pool, Bytes bytes);
  void keep(SeenPool& pool, Bytes bytes);
  bool may_take(const SeenPool& pool) const;
  void drop_first(SeenPool& pool);
  void digest_kept(SeenPool& pool, Bytes bytes);

  uint64_t base_ = 0;         // the origin is known to have been here
  uint64_t kept_from_ = 0;    // kept as they are from here on, as a digest from base_ to here
  uint64_t first_begin_ = 0;  // offset of the first block's first byte
  uint64_t end_ = 0;
  uint64_t position_ = 0;
  RunDigest digest_;
  RunDigest again_;  // of what came again, from base_ to again_end_
  uint64_t again_end_ = 0;
  bool comparing_ = false;  // a digest: not known yet whether it is the same
  uint32_t first_ = SeenPool::kNone;
  uint32_t last_ = SeenPool::kNone;
  uint32_t block_count_ = 0;
};

}  // namespace soundgate
