#include "index/align/threshold.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "fingerprint/fingerprint.h"

namespace soundgate {
namespace {

// An item describes 2.7 s of audio, most of them faintly: neighbours share more than one hop.
constexpr double kOverlapSeconds = 1.7;
// The changed share of most music. Where it is lower, items repeat what others have said.
constexpr double kUsualChangedShare = 0.27;

// Unrelated stretches that are stronger than `start`: `rate` per second of upload and second of
// reference. From there on their number falls by e with every `scale`.
struct Tail {
  double rate, start, scale;
};
struct Tails {
  Tail same_tempo, other_tempo;
};
// By band. Basses are simple, and alike.
constexpr Tails kTails[kBandCount] = {
    {{2.1e-9, 1.08, 0.063}, {1.1e-9, 1.11, 0.120}},
    {{8.8e-9, 1.21, 0.115}, {8.8e-9, 1.15, 0.134}},
    {{8.8e-9, 1.06, 0.063}, {2.1e-9, 1.08, 0.080}},
};
// Of all bands together, the heaviest of each band's stretches.
constexpr Tails kJointTails = {{2.1e-9, 0.78, 0.057}, {2.1e-9, 0.72, 0.090}};
constexpr double kTempos = 2;  // that share what false positives are bearable

const Tail& tail_of(const SearchSpace& space, Tempo tempo, Evidence evidence) {
  const Tails& tails =
      evidence == Evidence::kJoint ? kJointTails : kTails[static_cast<size_t>(space.band)];
  return tempo == Tempo::kSame ? tails.same_tempo : tails.other_tempo;
}

double expected_at_start(const SearchSpace& space, const Tail& tail) {
  return tail.rate * std::max(space.reference_seconds, 1.0) *
         std::max(space.query_seconds, kItemSeconds);
}

}  // namespace

double independent_seconds(double seconds, double changed_share) {
  return (seconds + kOverlapSeconds) * changed_share / kUsualChangedShare;
}

double strength(double score, double independent_seconds) {
  return score * std::sqrt(independent_seconds);
}

double strength_threshold(const SearchSpace& space, Tempo tempo, Evidence evidence) {
  const Tail& tail = tail_of(space, tempo, evidence);
  const double bearable =
      (evidence == Evidence::kJoint ? space.joint_false_positives_max : space.false_positives_max) /
      kTempos;
  if (bearable <= 0) return std::numeric_limits<double>::infinity();
  const double steps = std::log(expected_at_start(space, tail) / bearable);
  return tail.start + tail.scale * std::max(0.0, steps);
}

double confidence_of(double strength, const SearchSpace& space, Tempo tempo, Evidence evidence) {
  const Tail& tail = tail_of(space, tempo, evidence);
  const double expected =
      expected_at_start(space, tail) * std::exp(-(strength - tail.start) / tail.scale);
  return std::exp(-kTempos * expected);
}

}  // namespace soundgate
