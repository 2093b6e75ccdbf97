// The vocabulary of fingerprints: an item is one 32-bit Chromaprint sub-fingerprint.
// Source: Chromaprint 1.5.1, CHROMAPRINT_ALGORITHM_TEST2 (the default of fpcalc).
#pragma once

#include <array>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <vector>

namespace soundgate {

using Item = uint32_t;

inline constexpr int kAlgorithm = 1;  // CHROMAPRINT_ALGORITHM_TEST2
inline constexpr int kSampleRateHz = 11025;
inline constexpr int kHopSamples = 1365;  // from one item to the next
inline constexpr double kItemSeconds = static_cast<double>(kHopSamples) / kSampleRateHz;  // 0.1238
inline constexpr int kFirstItemSamples = 4096 + 19 * kHopSamples;  // 2.72 s make the first item
inline constexpr double kItemSpanSeconds = static_cast<double>(kFirstItemSamples) / kSampleRateHz;
inline constexpr Item kSilenceItem = 627964279;  // what Chromaprint says of digital silence

// What of the audio an item describes: all of it, as Chromaprint does; or its bass or the rest
// alone, which stay like the reference's where the other is missing, covered or distorted.
enum class Band : uint8_t { kFull, kBass, kTreble };
inline constexpr std::array kAllBands = {Band::kFull, Band::kBass, Band::kTreble};
inline constexpr size_t kBandCount = kAllBands.size();

// Item i describes the audio from about i * kItemSeconds on, for kItemSpanSeconds.
struct Fingerprint {
  int algorithm = kAlgorithm;
  double duration_seconds = 0;  // of the audio, as decoded
  std::vector<Item> items;      // one per hop, in order; of kFull
  // As many, of these bands; or none, where only Chromaprint's are known.
  std::vector<Item> bass = {}, treble = {};

  bool has_all_bands() const {
    return !items.empty() && bass.size() == items.size() && treble.size() == items.size();
  }
};

// A probe is the fingerprint of the same audio at another rate, for uploads that were sped up,
// slowed down or shifted in pitch: step k undoes an upload that plays kProbeRatio^k times as fast
// as its reference, pitch and tempo together. Steps are never 0; where one is, it stands for the
// plain items. Probes have a grid of their own: probe item i describes the upload's audio from
// about i * kItemSeconds / probe_speed(k) seconds on.
inline constexpr double kProbeRatio = 1.03;
// What probes hear. The treble keeps best what shifting the pitch does to music; all of it
// tolerates best that a speed lies between two steps.
inline constexpr std::array kProbedBands = {Band::kFull, Band::kTreble};
inline constexpr int kProbeStepMax = 10;  // either way: speeds of 0.744 to 1.344
inline double probe_speed(int step) { return std::pow(kProbeRatio, step); }

// A view of an upload: one band of the upload as it is (step 0), or of a probe. A number, whose
// plain one is 0, and those of another band kViewsPerBand further on.
inline constexpr int kPlainView = 0;
inline constexpr int kViewsPerBand = 32;
static_assert(kViewsPerBand > 2 * kProbeStepMax);
inline constexpr int view_of(int step, Band band) {
  return kViewsPerBand * static_cast<int>(band) + step;
}
inline constexpr int view_of(Band band) { return view_of(0, band); }
inline constexpr int kViewMin = -kProbeStepMax;
inline constexpr int kViewMax = view_of(kProbeStepMax, kAllBands.back());
inline constexpr Band band_of(int view) {
  return static_cast<Band>((view + kViewsPerBand / 2) / kViewsPerBand);
}
inline constexpr int step_of(int view) { return view - view_of(band_of(view)); }
inline constexpr bool is_probe(int view) { return step_of(view) != 0; }
// Whether there is such a view, of any upload.
inline constexpr bool is_view(int view) {
  if (view < kViewMin || view > kViewMax) return false;
  const int step = step_of(view);
  if (step < -kProbeStepMax || step > kProbeStepMax) return false;
  return step == 0 || band_of(view) != Band::kBass;
}

}  // namespace soundgate
