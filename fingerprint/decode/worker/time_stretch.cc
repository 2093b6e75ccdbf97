#include "fingerprint/decode/worker/time_stretch.h"

#include <cmath>

namespace soundgate::decode {
namespace {

// fraction: 32 bits.
int16_t between(int16_t a, int16_t b, int64_t fraction) {
  const auto share = static_cast<int>(fraction >> 17 & 0x7fff);
  return static_cast<int16_t>(a + ((b - a) * share >> 15));
}

}  // namespace

TimeStretch::TimeStretch(double speed, double first)
    : step_(std::llround(std::ldexp(1 / speed, kFractionBits))),
      next_(std::llround(std::ldexp(first, kFractionBits))) {}

std::span<const int16_t> TimeStretch::stretch(std::span<const int16_t> samples) {
  if (samples.empty()) return {};
  const int64_t size = static_cast<int64_t>(samples.size()) << kFractionBits;
  const int64_t last_at = size - (int64_t{1} << kFractionBits);
  output_.resize(static_cast<size_t>(size / step_) + 2);
  int16_t* out = output_.data();
  for (; next_ < 0; next_ += step_) *out++ = between(last_, samples[0], next_);
  for (; next_ < last_at; next_ += step_) {
    const auto at = static_cast<size_t>(next_ >> kFractionBits);
    *out++ = between(samples[at], samples[at + 1], next_);
  }
  next_ -= size;
  last_ = samples.back();
  return {output_.data(), out};
}

}  // namespace soundgate::decode
