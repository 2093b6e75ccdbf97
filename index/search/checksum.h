// The checksum of what lies in segment files: XXH3, 64 bits. Tells what a disk has changed, not
// what somebody forged.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>

namespace soundgate {

uint64_t checksum(std::span<const std::byte> bytes, uint64_t seed = 0);

// The same of bytes that come in pieces.
class RunningChecksum {
 public:
  RunningChecksum();
  ~RunningChecksum();
  void add(std::span<const std::byte> bytes);
  uint64_t value() const;

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace soundgate
