#include "fingerprint/decode/worker/prober.h"

#include <algorithm>
#include <new>

#include "fingerprint/decode/limits.h"

namespace soundgate::decode {

void Prober::probe(std::span<const int16_t> samples) {
  try {
    while (!samples.empty()) samples = feed_stretch(samples);
  } catch (const std::bad_alloc&) {
    give_up();
  }
}

// Returns what is left: behind the next border of a stretch, or the next piece.
std::span<const int16_t> Prober::feed_stretch(std::span<const int16_t> samples) {
  const auto stretch = schedule_.stretch_at(position_);
  const bool inside = position_ >= stretch.begin;
  const uint64_t left = (inside ? stretch.end : stretch.begin) - position_;
  const size_t piece = std::min(samples.size(), kProbePieceSamples);
  const auto count = static_cast<size_t>(std::min<uint64_t>(left, piece));
  if (inside) {
    if (probes_.empty()) begin_stretch();
    for (Probe& probe : probes_) probe.feed(samples.first(count), sink_);
  }
  position_ += count;
  if (inside && position_ == stretch.end) finish_stretch();
  return samples.subspan(count);
}

void Prober::begin_stretch() {
  probes_.reserve(static_cast<size_t>(2 * schedule_.step_max()));
  for (int step = -schedule_.step_max(); step <= schedule_.step_max(); ++step) {
    if (step != 0) probes_.emplace_back(step, position_);
  }
}

void Prober::finish_stretch() {
  for (Probe& probe : probes_) probe.finish(sink_);
  probes_.clear();
}

void Prober::jump_to(uint64_t position) {
  finish();
  position_ = position;
}

void Prober::finish() {
  try {
    finish_stretch();
  } catch (const std::bad_alloc&) {
    give_up();
  }
}

void Prober::give_up() {
  probes_.clear();
  is_on_ = false;
}

}  // namespace soundgate::decode
