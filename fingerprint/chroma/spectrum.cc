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

#include "fingerprint/vector_clones.h"

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

// The samples are transformed as half as many complex numbers, each of two: libavutil is fastest
// with those. These are what tells the two apart again.
struct Twiddles {
  std::array<float, kSpectrumBins / 2> cosine, sine;
};
Twiddles make_twiddles() {
  Twiddles twiddles;
  for (size_t k = 0; k < kSpectrumBins / 2; ++k) {
    const double phase = 2 * std::numbers::pi * static_cast<double>(k) / kFrameSamples;
    twiddles.cosine[k] = static_cast<float>(std::cos(phase) / 2);
    twiddles.sine[k] = static_cast<float>(std::sin(phase) / 2);
  }
  return twiddles;
}

struct Complex {
  float re, im;
};

// Of bins 1 to kSpectrumBins - 1; each is found with its mirror, which lies as far before the end.
// (Steps of their own for what lies in turns and for what goes backwards: so they become vectors.)
SOUNDGATE_VECTOR_CLONES void powers_of(const Complex* __restrict transformed,
                                       const Twiddles& twiddles, float* __restrict power) {
  constexpr size_t kHalf = kSpectrumBins / 2;
  float re[kSpectrumBins], im[kSpectrumBins], mirrored[kHalf];
  for (size_t k = 0; k < kSpectrumBins; ++k) {
    re[k] = transformed[k].re;
    im[k] = transformed[k].im;
  }
  for (size_t k = 1; k < kHalf; ++k) {
    const float other_re = re[kSpectrumBins - k], other_im = im[kSpectrumBins - k];
    const float even_re = (re[k] + other_re) / 2, even_im = (im[k] - other_im) / 2;
    const float odd_re = im[k] + other_im, odd_im = other_re - re[k];
    const float turned_re = twiddles.cosine[k] * odd_re + twiddles.sine[k] * odd_im;
    const float turned_im = twiddles.cosine[k] * odd_im - twiddles.sine[k] * odd_re;
    power[k] = (even_re + turned_re) * (even_re + turned_re) +
               (even_im + turned_im) * (even_im + turned_im);
    mirrored[k] = (even_re - turned_re) * (even_re - turned_re) +
                  (even_im - turned_im) * (even_im - turned_im);
  }
  power[kHalf] = re[kHalf] * re[kHalf] + im[kHalf] * im[kHalf];
  for (size_t k = 1; k < kHalf; ++k) power[kSpectrumBins - k] = mirrored[k];
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
      transformed_(buffer_of(kFrameSamples)),
      power_(buffer_of(kSpectrumBins)) {
  AVTXContext* context = nullptr;
  const float scale = 1;
  if (av_tx_init(&context, &function_, AV_TX_FLOAT_FFT, 0, kFrameSamples / 2, &scale, 0) < 0) {
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
  static const Twiddles kTwiddles = make_twiddles();
  float* windowed = windowed_.get();
  for (size_t i = 0; i < kFrameSamples; ++i) windowed[i] = kWindow[i] * frame_[i];
  function_(context_.get(), transformed_.get(), windowed, sizeof(Complex));
  const auto* transformed = reinterpret_cast<const Complex*>(transformed_.get());
  float* power = power_.get();
  const float constant = transformed[0].re + transformed[0].im;
  power[0] = constant * constant;
  powers_of(transformed, kTwiddles, power);
  std::copy(frame_.begin() + kHopSamples, frame_.end(), frame_.begin());
  filled_ -= kHopSamples;
  return Power(power, kSpectrumBins);
}

}  // namespace soundgate
