#include "fingerprint/decode/worker/probe.h"

#include <array>
#include <cmath>

#include "fingerprint/decode/limits.h"

namespace soundgate::decode {
namespace {

// On the grid of this probe, in samples of the upload.
double hop_samples(int step) { return kHopSamples / probe_speed(step); }

uint32_t first_item_from(int step, uint64_t position) {
  return static_cast<uint32_t>(std::ceil(static_cast<double>(position) / hop_samples(step)));
}

}  // namespace

Probe::Probe(int step, uint64_t position)
    : step_(step),
      next_item_(first_item_from(step, position)),
      time_stretch_(probe_speed(step),
                    next_item_ * hop_samples(step) - static_cast<double>(position)),
      chroma_(std::array{probed_band(step)}) {}

void Probe::feed(std::span<const int16_t> samples, const ProbeSink& sink) {
  const auto stretched = time_stretch_.stretch(samples);
  if (stretched.empty()) return;
  chroma_.feed(stretched);
  if (chroma_.ready() >= kItemsPerEntry) finish(sink);
}

void Probe::finish(const ProbeSink& sink) {
  chroma_.take(probed_band(step_), ready_);
  if (ready_.empty()) return;
  sink(step_, next_item_, ready_);
  next_item_ += static_cast<uint32_t>(ready_.size());
  ready_.clear();
}

}  // namespace soundgate::decode
