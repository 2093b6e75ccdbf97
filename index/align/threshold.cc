#include "index/align/threshold.h"

#include <algorithm>
#include <cmath>

namespace soundgate {
namespace {

// z of unrelated pairs of tracks: one pair in 360 has a stretch above kTailStart; from there on the
// share falls by e with every kTailScale. The highest of 36,000 pairs was 0.96.
constexpr double kTailStart = 0.771;
constexpr double kTailShare = 1.0 / 360;
constexpr double kTailScale = 0.060;

constexpr double kThreshold = 1.7;  // one unrelated pair in 2e9, by the fit
constexpr double kScoreMin = 0.35;  // however long: variations on one theme reach 0.34 on 35 s

double length_free(double score, double seconds) { return score * std::sqrt(seconds); }

}  // namespace

double score_threshold(double seconds) {
  return std::max(kScoreMin, kThreshold / std::sqrt(std::max(seconds, 1.0)));
}

double confidence_of(double score, double seconds) {
  const double above = length_free(score, seconds) - kTailStart;
  if (above <= 0) return 0;  // such scores are common; the fit says nothing of them
  return 1 - kTailShare * std::exp(-above / kTailScale);
}

}  // namespace soundgate
