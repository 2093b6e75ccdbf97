// What a stretch must reach to count as a match, and how sure it makes us.
// Unrelated music scores higher on shorter stretches, and on music that changes slowly. Strength
// makes them comparable: score * sqrt(independent seconds). How often unrelated music reaches a
// strength falls exponentially, and grows with how much was searched and how much it was compared
// with.
// Source: fitted to impostors, README, "Thresholds"; perf/quality measures them.
#pragma once

#include <array>
#include <cstdint>

#include "fingerprint/fingerprint.h"

namespace soundgate {

// Shorter stretches are never matches: one window, 4.6 s of audio.
inline constexpr uint32_t kMatchItemsMin = 16;

// So many seconds of common music would prove as much as these. changed_share: of the bits of an
// item, those that changed since the one before, relative to those that chance would change.
double independent_seconds(double seconds, double changed_share);

double strength(double score, double independent_seconds);

// What was compared with what, and how many false matches in it are bearable.
struct SearchSpace {
  double reference_seconds = 0;
  double query_seconds = 0;  // in which a stretch may begin
  Band band = Band::kFull;
  // To be expected of this search all in all, where each band is judged alone; and where all are
  // judged together, which is a search of its own.
  double false_positives_max = 1e-6;
  double joint_false_positives_max = 0;
};

// Unrelated music of one beat goes together for long when one side may be stretched, so a stretch
// at another tempo proves less.
enum class Tempo : uint8_t { kSame, kOther };

// What a stretch is judged by: the band it was found in, or all bands together.
enum class Evidence : uint8_t { kOwnBand, kJoint };

// What counts of each band, where all are judged together.
inline constexpr std::array<double, kBandCount> kBandWeights = {0.25, 0.25, 0.5};

// Infinite, where nothing may be found that way.
double strength_threshold(const SearchSpace& space, Tempo tempo,
                          Evidence evidence = Evidence::kOwnBand);

// 1 - the estimated probability that a search of this space for unrelated audio finds anything so
// strong.
double confidence_of(double strength, const SearchSpace& space, Tempo tempo,
                     Evidence evidence = Evidence::kOwnBand);

}  // namespace soundgate
