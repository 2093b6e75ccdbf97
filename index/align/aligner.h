// Verifies candidates on raw items: where the upload runs along a reference, from where to where,
// and how alike the two are there.
// Thread: any; it keeps nothing.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "index/align/candidates.h"
#include "index/align/query.h"
#include "index/match.h"
#include "index/search/reference_table.h"

namespace soundgate {

// A stretch in items, accepted or not.
struct Alignment {
  uint32_t query_begin = 0, query_end = 0;          // items of the upload
  uint32_t reference_begin = 0, reference_end = 0;  // items of the reference
  uint32_t proving_items = 0;                       // those that say something: path.h
  double audio_speed = 1;
  double bit_error_rate = 0;
  double changed_bits = 0, chance = 0;
  double score = 0;

  double proving_seconds() const { return proving_items * kItemSeconds; }
};

// The stretch about a candidate; empty (query_begin == query_end) if there is none.
Alignment align(const Query& query, std::span<const Item> reference, const Candidate& candidate);

// The same in seconds of audio.
MatchSegment segment_of(const Alignment& alignment, uint32_t query_items, uint32_t reference_items);

struct ReferenceAlignments {
  Slot slot;
  std::vector<Alignment> alignments;  // by query_begin; accepted ones only
};

// Whether a stretch counts: long enough, and with a score that its length asks for.
bool is_accepted(const Alignment& alignment);

// All references that the upload has stretches of. `candidates`: heaviest first.
std::vector<ReferenceAlignments> align_all(const Query& query, const ReferenceTable& references,
                                           std::span<const Candidate> candidates);

}  // namespace soundgate
