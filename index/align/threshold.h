// What score a stretch must reach to count as a match, and how sure a score makes us.
// Unrelated music scores higher on shorter stretches, so both depend on the length.
// Source: fitted to impostors, README, "Thresholds"; perf/quality measures them.
#pragma once

namespace soundgate {

// Shorter stretches are never matches.
inline constexpr double kMatchSecondsMin = 4;

double score_threshold(double seconds);

// 1 - the estimated probability that the best stretch of unrelated audio scores as well.
double confidence_of(double score, double seconds);

}  // namespace soundgate
