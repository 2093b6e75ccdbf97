// The constants of alignment. What they were chosen on: README, "Alignment".
#pragma once

#include <cstddef>
#include <cstdint>

#include "fingerprint/fingerprint.h"

namespace soundgate {

// Where an excerpt starts or ends inside both sides, the items about the cut describe some of each.
// They are half alike when the cut is so long after their start, by the median of 100 excerpts
// (kind "embedded" of perf/quality).
inline constexpr double kStartCutSeconds = 0.50;
inline constexpr double kEndCutSeconds = 1.52;

inline constexpr int kPathBlockItems = 16;  // the offset may change once a block: 6 % of drift
inline constexpr int kDriftBits = 20;       // of a block's 512: a change must gain more than this
inline constexpr int kOffsetSlack = 4;      // items: half of what lies between windows of an upload

// The speed of an upload against its reference is sought among these, in the items about a hit.
inline constexpr double kSpeedStep = 0.025;
inline constexpr int kSpeedSteps = 10;     // to either side: -25 % to +25 %
inline constexpr int kLineItems = 112;     // 14 s
inline constexpr double kSpeedBits = 0.7;  // of an item's 32: so much better than speed 1

// An item that differs in fewer bits than this speaks for an alignment, one in more, against it.
inline constexpr int kLikelyBits = 12;
// A walk ends when what speaks against it has grown by so much: some 8 s of unrelated audio.
inline constexpr int kDropBits = 160;

// Items whose bit frequencies say together what chance would give: 12 s.
inline constexpr uint32_t kScoreBlockItems = 97;

// Lighter candidates are not worth aligning: a single hit at 0.27 of the bits.
inline constexpr uint32_t kCandidateWeightMin = 700;
// However long: arrangements of one theme may go together for minutes, faintly.
inline constexpr double kScoreMin = 0.22;
// Candidates that each band of an upload may have aligned, heaviest first: the more, the longer the
// upload, since what resembles it by chance grows with it. One more every 4 s.
inline constexpr size_t kAlignedCandidatesMin = 96;
inline constexpr size_t aligned_candidates_max(size_t query_items) {
  return kAlignedCandidatesMin + query_items / 32;
}
// Of each probe: there are up to forty, and what one is for stands out in it.
inline constexpr size_t kAlignedProbeCandidatesMax = 64;

// Hits of one alignment: how far their offsets and their places may lie apart, in items.
inline constexpr int32_t kOffsetGapMax = 2;
inline constexpr int32_t kOffsetSpreadMax = 8;
inline constexpr uint32_t kQueryGapMax = 200;

// Early looks: README, "Early matches".
// Windows of the first search that are searched at a time: a look is worth it every 6 s then.
inline constexpr uint32_t kEarlyBatchWindows = 16;
// Hits further apart than this do not make a look worth it: a quarter of the bits. Of unrelated
// music there are hardly any nearer.
inline constexpr uint32_t kEarlyRadius = 128;
inline constexpr uint32_t kEarlyWeightMin = 7000;
// Places that a look aligns, of the upload and all of its probes.
inline constexpr size_t kEarlyAlignmentsMax = 4;
// The next look waits until the upload has grown by a quarter: from 8 s to 24 hours are 41 looks.
inline constexpr double kEarlyGrowth = 1.25;
inline constexpr int kEarlyLooksMax = 40;
// Of the false matches that are bearable, all looks may cause so many.
inline constexpr double kEarlyShare = 1.0 / 16;

// Looks for a candidate: README, "Candidates".
// Windows that are worth a search for it, at kFirstQueryStride: a stretch of a few seconds has
// some.
inline constexpr uint32_t kPromptWindows = 2;
// Places that a look aligns, of each band and probe.
inline constexpr size_t kCandidateAlignmentsMax = 4;
// Candidates that the tails (threshold.h) let expect of a minute of unrelated audio. (So weak as
// that there are fewer: of 175 clean tracks 1 in 100 has one.)
inline constexpr double kChanceCandidates = 1;

}  // namespace soundgate
