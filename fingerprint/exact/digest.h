// Digests of bytes under a secret key: XXH3, 128 bits. Whoever does not know the key cannot make
// two uploads of one digest, as anybody can without one. Input: bytes in pieces of any size.
// Output: the digest of those so far, at any time. Errors: DigestKey::make throws std::system_error
// where the system has no random numbers. Thread: a Digester belongs to one; nothing blocks, locks
// or allocates. Memory: a Digester refers to its key, which must stay. Source: xxHash 0.8.1,
// XXH3_128bits_reset_withSecret.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>

namespace soundgate::exact {

struct Digest {
  uint64_t low = 0;
  uint64_t high = 0;

  bool operator==(const Digest&) const = default;
};
struct DigestHash {
  size_t operator()(const Digest& digest) const { return digest.low; }
};

class DigestKey {
 public:
  static DigestKey make();  // of the system's random numbers

  std::span<const std::byte> secret() const { return secret_; }

 private:
  std::array<std::byte, 192> secret_{};
};

class Digester {
 public:
  void begin(const DigestKey& key);
  void update(std::span<const std::byte> bytes);
  Digest digest() const;

 private:
  alignas(64) std::array<std::byte, 576> state_;  // XXH3_state_t
};

}  // namespace soundgate::exact
