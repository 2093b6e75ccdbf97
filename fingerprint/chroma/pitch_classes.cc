#include "fingerprint/chroma/pitch_classes.h"

#include <algorithm>
#include <cmath>
#include <numeric>

namespace soundgate {
namespace {

constexpr double kBaseHz = 440.0 / 16;  // an A, where classes begin
constexpr double kBinHz = static_cast<double>(kSampleRateHz) / kFrameSamples;
constexpr float kLengthMin = 0.01F;

size_t bin_at(double hertz) { return static_cast<size_t>(std::lround(hertz / kBinHz)); }

size_t pitch_class_of(size_t bin) {
  const double octave = std::log2(static_cast<double>(bin) * kBinHz / kBaseHz);
  return static_cast<size_t>(kPitchClasses * (octave - std::floor(octave)));
}

}  // namespace

PitchClasses::PitchClasses(double low_hz, double high_hz, double audible_share)
    : audible_share_(static_cast<float>(audible_share)) {
  for (size_t bin = bin_at(low_hz); bin < bin_at(high_hz); ++bin) {
    const size_t pitch = pitch_class_of(bin);
    if (runs_.empty() || runs_.back().pitch != pitch) runs_.push_back({pitch, bin, bin});
    runs_.back().end = bin + 1;
  }
}

std::optional<PitchRow> PitchClasses::add(Spectrum::Power power) {
  PitchRow& newest = last_[count_++ % last_.size()];
  newest.fill(0);
  for (const Run& run : runs_) {
    newest[run.pitch] =
        std::accumulate(power.begin() + static_cast<ptrdiff_t>(run.begin),
                        power.begin() + static_cast<ptrdiff_t>(run.end), newest[run.pitch]);
  }
  if (audible_share_ > 0) {
    const float here = std::accumulate(newest.begin(), newest.end(), 0.0F);
    const float all = std::accumulate(power.begin(), power.end(), 0.0F);
    if (here < audible_share_ * all) newest.fill(0);
  }
  if (count_ < last_.size()) return std::nullopt;
  PitchRow row{};
  for (size_t i = 0; i < last_.size(); ++i) {
    const PitchRow& earlier = last_[(count_ + i) % last_.size()];
    for (size_t c = 0; c < kPitchClasses; ++c) row[c] += kSmoothing[i] * earlier[c];
  }
  const float length = std::sqrt(std::inner_product(row.begin(), row.end(), row.begin(), 0.0F));
  if (length < kLengthMin) return PitchRow{};
  for (float& value : row) value /= length;
  return row;
}

}  // namespace soundgate
