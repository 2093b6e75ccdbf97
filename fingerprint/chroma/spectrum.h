// The power spectra of overlapping frames of PCM, as it comes.
// Input: mono signed 16-bit samples at kSampleRateHz, any number at a time.
// Output: a spectrum for each frame of 4096 samples, one every kHopSamples: bin i is the power at
//   i * kSampleRateHz / 4096 Hz.
// Errors: std::bad_alloc.
// Thread: one.  Memory: 60 kB.
// Source: Chromaprint 1.5.1, FFT and audio slicer; the transform is libavutil's.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "fingerprint/fingerprint.h"

struct AVTXContext;

namespace soundgate {

inline constexpr size_t kFrameSamples = 4096;
inline constexpr size_t kSpectrumBins = kFrameSamples / 2;

class Spectrum {
 public:
  using Power = std::span<const float, kSpectrumBins>;

  Spectrum();

  // Calls visit(Power) for each frame that these samples complete.
  template <class Visit>
  void feed(std::span<const int16_t> samples, Visit visit) {
    while (!samples.empty()) {
      samples = samples.subspan(fill(samples));
      if (filled_ == kFrameSamples) visit(transform());
    }
  }
  void restart() { filled_ = 0; }  // the next samples do not follow those before

 private:
  struct FreeContext {
    void operator()(AVTXContext* context) const;
  };
  struct FreeBuffer {
    void operator()(float* buffer) const;
  };
  using Buffer = std::unique_ptr<float, FreeBuffer>;
  static Buffer buffer_of(size_t count);

  size_t fill(std::span<const int16_t> samples);  // returns how many it took
  Power transform();                              // of the frame, which moves on by a hop

  std::unique_ptr<AVTXContext, FreeContext> context_;
  void (*function_)(AVTXContext*, void*, void*, ptrdiff_t) = nullptr;
  std::vector<int16_t> frame_;
  size_t filled_ = 0;  // of the frame
  Buffer windowed_, transformed_, power_;
};

}  // namespace soundgate
