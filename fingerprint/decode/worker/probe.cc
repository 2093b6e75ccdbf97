#include "fingerprint/decode/worker/probe.h"

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
      chroma_(kProbedBands) {}

void Probe::feed(std::span<const int16_t> samples, const ProbeSink& sink) {
  const auto stretched = time_stretch_.stretch(samples);
  if (stretched.empty()) return;
  chroma_.feed(stretched);
  if (chroma_.ready() >= kItemsPerEntry) finish(sink);
}

void Probe::finish(const ProbeSink& sink) {
  size_t count = 0;
  for (const Band band : kProbedBands) {
    chroma_.take(band, ready_);
    count = ready_.size();
    if (count > 0) sink(view_of(step_, band), next_item_, ready_);
    ready_.clear();
  }
  next_item_ += static_cast<uint32_t>(count);
}

}  // namespace soundgate::decode
