// Damages files as networks, disks and people who mean harm do: bits flipped, parts cut, joined,
// inserted, removed and repeated, headers that lie. The same seed and number make the same file.
// Input: whole files.  Output: one damaged file for each number, and what was done to it.
// Thread: any; make() changes nothing.
#pragma once

#include <cstdint>
#include <random>
#include <string>
#include <vector>

#include "tests/fingerprint/pool_recorder.h"

namespace soundgate::test {

struct DamagedFile {
  std::string what;  // format and damage
  Bytes bytes;
};

class Damager {
 public:
  struct Sample {
    std::string format;
    Bytes bytes;
  };
  Damager(std::vector<Sample> samples, uint64_t seed) : samples_(std::move(samples)), seed_(seed) {}

  // All samples come equally often.
  DamagedFile make(uint64_t number) const;

 private:
  std::vector<Sample> samples_;
  uint64_t seed_;
};

}  // namespace soundgate::test
