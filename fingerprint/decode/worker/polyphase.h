// Brings mono samples of one rate to kSampleRateHz, by a filter of its own for each place that a
// sample to be made can have between two that there are.
// Input: 16-bit samples with kHeadroomBits less than full scale, any number at a time.
// Output: 16-bit samples of full scale.
// Errors: std::bad_alloc.  Thread: the stream's fiber.
// Memory: the filters, 64 bytes to 340 kB, shared by all streams of a rate.
// Source: libswresample's filter with the settings of fpcalc 1.5.1 (filter_size 16, cutoff 0.8,
//   Kaiser window, beta 9), so that the bits are the same. It works on
//   16 bits, as libswresample does with 16-bit input: the filters stay in the first-level cache.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <vector>

namespace soundgate::decode {

// Decoders go beyond full scale where music is loud; what counts is how loud it is once filtered.
inline constexpr int kHeadroomBits = 1;

class PolyphaseFilters;

class Polyphase {
 public:
  // Rates that have few places between two samples: all that are usual.
  static bool suits(int sample_rate_hz);

  // first_sample: of the input, counted from the begin of the audio. What is made lies where it
  // would if all before had been there, too.
  Polyphase(int sample_rate_hz, uint64_t first_sample);

  uint64_t first_made() const { return first_made_; }  // of the samples made, counted likewise

  // Room for so many samples, to be written before the next call.
  std::span<int16_t> append(size_t count);
  // What the samples that there are make. Valid until the next call.
  std::span<const int16_t> take();
  // What they make if nothing follows.
  std::span<const int16_t> flush();

 private:
  std::shared_ptr<const PolyphaseFilters> filters_;
  std::vector<int16_t> input_;  // the part of it that is still needed
  uint64_t first_made_;
  size_t next_ = 0;   // where in input_ the next filter begins
  size_t place_ = 0;  // which filter that is
  std::vector<int16_t> output_;
};

}  // namespace soundgate::decode
