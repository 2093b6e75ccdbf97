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

// In lanes: each addition would wait for the one before it.
float sum(std::span<const float> values) {
  constexpr size_t kLanes = 16;
  float sums[kLanes] = {};
  const size_t whole = values.size() / kLanes * kLanes;
  for (size_t i = 0; i < whole; i += kLanes) {
    for (size_t lane = 0; lane < kLanes; ++lane) sums[lane] += values[i + lane];
  }
  const float rest =
      std::accumulate(values.begin() + static_cast<ptrdiff_t>(whole), values.end(), 0.0F);
  return std::accumulate(sums, sums + kLanes, rest);
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
    newest[run.pitch] += sum(power.subspan(run.begin, run.end - run.begin));
  }
  if (audible_share_ > 0) {
    const float here = std::accumulate(newest.begin(), newest.end(), 0.0F);
    if (here < audible_share_ * sum(power)) newest.fill(0);
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
