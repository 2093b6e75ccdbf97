// The digests of one body as its bytes arrive, or of the packets in it: of the whole, and of its
// beginnings up to each checkpoint (4 KiB, 8 KiB, 16 KiB, …). They cover all that the items depend
// on: also what probes are wanted, and what size was announced. Thread: its owner's; nothing
// blocks, locks or allocates.
#pragma once

#include <algorithm>
#include <array>
#include <cstdint>
#include <limits>
#include <optional>
#include <span>

#include "fingerprint/exact/digest.h"

namespace soundgate::exact {

inline constexpr uint64_t kFirstCheckpointBytes = 4096;
inline constexpr uint32_t kCheckpointsMax = 20;  // the last at 2 GiB
inline constexpr uint64_t checkpoint_bytes(uint32_t index) {
  return kFirstCheckpointBytes << index;
}

struct BodyDigests {
  Digest whole;
  std::array<Digest, kCheckpointsMax> prefixes;  // by checkpoint, prefix_count of them
  uint32_t prefix_count = 0;

  std::span<const Digest> all_prefixes() const { return std::span(prefixes).first(prefix_count); }
  bool operator==(const BodyDigests&) const = default;
};
// Of the payload of the packets of a track, and of what else their decoding depends on. (Made by
// decode/worker/packet_digester.h.)
using PacketDigests = BodyDigests;

class BodyDigester {
 public:
  // size_bytes: as announced; -1: unknown.
  void begin(const DigestKey& key, uint64_t probes, int64_t size_bytes) {
    digester_.begin(key);
    digester_.update(std::as_bytes(std::span(&probes, 1)));
    digester_.update(std::as_bytes(std::span(&size_bytes, 1)));
    bytes_ = 0;
    checkpoint_ = 0;
  }

  // No more than so many at a time.
  uint64_t bytes_to_checkpoint() const {
    if (checkpoint_ == kCheckpointsMax) return std::numeric_limits<uint64_t>::max();
    return checkpoint_bytes(checkpoint_) - bytes_;
  }
  // The digest of all so far, where they reach a checkpoint.
  std::optional<Digest> update(std::span<const std::byte> bytes) {
    digester_.update(bytes);
    bytes_ += bytes.size();
    if (checkpoint_ == kCheckpointsMax || bytes_ < checkpoint_bytes(checkpoint_)) return {};
    ++checkpoint_;
    return digester_.digest();
  }
  // What belongs to it, too, and is none of the bytes that are counted.
  void describe(std::span<const std::byte> description) { digester_.update(description); }
  Digest digest() const { return digester_.digest(); }
  uint64_t bytes() const { return bytes_; }

 private:
  Digester digester_;
  uint64_t bytes_ = 0;
  uint32_t checkpoint_ = 0;  // the next one
};

}  // namespace soundgate::exact
