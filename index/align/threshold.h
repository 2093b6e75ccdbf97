// What score a stretch must reach to count as a match, and how sure a score makes us.
// Unrelated music scores higher on shorter stretches: z = score * sqrt(seconds) makes lengths
// comparable, and its tail over pairs of unrelated tracks falls exponentially.
// Source: fitted to impostors, README, "Thresholds"; perf/quality measures them.
#pragma once

namespace soundgate {

// Shorter stretches are never matches.
inline constexpr double kMatchSecondsMin = 4;

double score_threshold(double seconds);

// 1 - the estimated probability that the best stretch that an upload has in common with one
// unrelated reference scores as well for its length.
double confidence_of(double score, double seconds);

}  // namespace soundgate
