// What the index found: which reference, where in the upload, where in the reference, how sure.
// Times: seconds from the start of the upload ("query") or of the reference ("asset").
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "index/bank.h"

namespace soundgate {

// False matches to be expected of one upload that has nothing in common with any reference, unless
// set otherwise: one in a million uploads has one.
inline constexpr double kFalsePositivesPerUpload = 1e-6;

// A stretch that both have in common.
struct MatchSegment {
  double query_start = 0, query_end = 0;
  double asset_start = 0, asset_end = 0;
  double audio_speed = 1.0;  // of the upload, relative to the reference
  double bit_error_rate = 0;
  double score = 0;       // 1 - BER / chance: 1 identical, 0 as unlike as unrelated audio
  double confidence = 0;  // 1 - estimated probability that an unrelated upload of this length has
                          // so strong a stretch in common with any of the references
};

struct Match {
  Bank bank;  // as it was when the match was made
  std::string content_id;
  std::string title;
  std::string metadata_json;  // object, as enrolled
  double asset_duration_seconds = 0;
  double score = 0;                // of the best segment
  double threshold = 0;            // that this score had to reach
  double query_match_seconds = 0;  // of the upload, covered by segments (their union)
  double asset_match_seconds = 0;
  std::vector<MatchSegment> segments;  // by query_start
};

}  // namespace soundgate
