#include "fingerprint/chroma/spectrum.h"

extern "C" {
#include <libavutil/mem.h>
#include <libavutil/tx.h>
}

#include <algorithm>
#include <array>
#include <cmath>
#include <new>
#include <numbers>

namespace soundgate {
namespace {

// A Hamming window, that brings samples into -1..1.
std::array<float, kFrameSamples> make_window() {
  std::array<float, kFrameSamples> window;
  for (size_t i = 0; i < kFrameSamples; ++i) {
    const double phase = 2 * std::numbers::pi * static_cast<double>(i) / (kFrameSamples - 1);
    window[i] = static_cast<float>((0.54 - 0.46 * std::cos(phase)) / INT16_MAX);
  }
  return window;
}

}  // namespace

void Spectrum::FreeContext::operator()(AVTXContext* context) const { av_tx_uninit(&context); }
void Spectrum::FreeBuffer::operator()(float* buffer) const { av_free(buffer); }

Spectrum::Buffer Spectrum::buffer_of(size_t count) {
  Buffer buffer(static_cast<float*>(av_malloc_array(count, sizeof(float))));
  if (!buffer) throw std::bad_alloc();
  return buffer;
}

Spectrum::Spectrum()
    : frame_(kFrameSamples),
      windowed_(buffer_of(kFrameSamples)),
      transformed_(buffer_of(kFrameSamples + 2)),
      power_(buffer_of(kSpectrumBins)) {
  AVTXContext* context = nullptr;
  const float scale = 1;
  if (av_tx_init(&context, &function_, AV_TX_FLOAT_RDFT, 0, kFrameSamples, &scale, 0) < 0) {
    throw std::bad_alloc();  // all that can fail with arguments that are right
  }
  context_.reset(context);
}

size_t Spectrum::fill(std::span<const int16_t> samples) {
  const size_t count = std::min(samples.size(), kFrameSamples - filled_);
  std::ranges::copy(samples.first(count), frame_.begin() + static_cast<ptrdiff_t>(filled_));
  filled_ += count;
  return count;
}

Spectrum::Power Spectrum::transform() {
  static const std::array<float, kFrameSamples> kWindow = make_window();
  float* windowed = windowed_.get();
  for (size_t i = 0; i < kFrameSamples; ++i) windowed[i] = kWindow[i] * frame_[i];
  function_(context_.get(), transformed_.get(), windowed, sizeof(float));
  const float* transformed = transformed_.get();
  float* power = power_.get();
  for (size_t i = 0; i < kSpectrumBins; ++i) {
    power[i] =
        transformed[2 * i] * transformed[2 * i] + transformed[2 * i + 1] * transformed[2 * i + 1];
  }
  std::copy(frame_.begin() + kHopSamples, frame_.end(), frame_.begin());
  filled_ -= kHopSamples;
  return Power(power, kSpectrumBins);
}

}  // namespace soundgate
