// The vocabulary of fingerprints: an item is one 32-bit Chromaprint sub-fingerprint.
// Source: Chromaprint 1.5.1, CHROMAPRINT_ALGORITHM_TEST2 (the default of fpcalc).
#pragma once

#include <cmath>
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

// Item i describes the audio from about i * kItemSeconds on, for kItemSpanSeconds.
struct Fingerprint {
  int algorithm = kAlgorithm;
  double duration_seconds = 0;  // of the audio, as decoded
  std::vector<Item> items;      // one per hop, in order
};

// A probe is the fingerprint of the same audio at another rate, for uploads that were sped up,
// slowed down or shifted in pitch: step k undoes an upload that plays kProbeRatio^k times as fast
// as its reference, pitch and tempo together. Steps are never 0; where one is, it stands for the
// plain items. Probes have a grid of their own: probe item i describes the upload's audio from
// about i * kItemSeconds / probe_speed(k) seconds on.
inline constexpr double kProbeRatio = 1.03;
inline constexpr int kProbeStepMax = 10;  // either way: speeds of 0.744 to 1.344
inline double probe_speed(int step) { return std::pow(kProbeRatio, step); }

}  // namespace soundgate
