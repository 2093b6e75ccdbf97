// The host's end of the results ring. It trusts nothing in that memory: each entry is copied once,
// and only the copy is looked at.
// Thread: the collector.
#pragma once

#include <cstddef>
#include <cstdint>
#include <tl/expected.hpp>

#include "fingerprint/decode/host/result_check.h"
#include "fingerprint/decode/shared/results.h"

namespace soundgate::decode {

class ResultsReader {
 public:
  explicit ResultsReader(std::byte* memory) : memory_(memory) {}

  // How many entries are waiting.
  tl::expected<uint32_t, ResultFault> waiting() const;
  ResultEntry take();  // only if one is waiting

  uint64_t taken() const { return taken_; }

 private:
  std::byte* memory_;
  uint64_t taken_ = 0;
};

}  // namespace soundgate::decode
