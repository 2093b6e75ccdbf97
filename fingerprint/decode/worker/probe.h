// One probe over one stretch of audio: the samples at its rate, and their items, on its own grid.
// Input: mono samples at kSampleRateHz, in order.  Output: items of kProbedBands, to a sink.
// Errors: std::bad_alloc.
// Thread: the stream's fiber.  Memory: Chroma's.
#pragma once

#include <cstdint>
#include <functional>
#include <span>
#include <vector>

#include "fingerprint/chroma/chroma.h"
#include "fingerprint/decode/worker/time_stretch.h"

namespace soundgate::decode {

// view (fingerprint.h), index of the first item, items.
using ProbeSink = std::function<void(int, uint32_t, std::span<const Item>)>;

class Probe {
 public:
  Probe(int step, uint64_t position);  // of the first sample to be fed

  void feed(std::span<const int16_t> samples, const ProbeSink& sink);
  void finish(const ProbeSink& sink);  // hands over what is held back, so that entries are full

 private:
  int step_;
  uint32_t next_item_;  // of each band
  TimeStretch time_stretch_;
  Chroma chroma_;
  std::vector<Item> ready_;
};

}  // namespace soundgate::decode
