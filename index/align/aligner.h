// Verifies candidates on raw items: where the upload runs along a reference, from where to where,
// and how alike the two are there.
// Thread: any; it keeps nothing.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "index/align/candidates.h"
#include "index/align/limits.h"
#include "index/align/query.h"
#include "index/align/threshold.h"
#include "index/banded_items.h"
#include "index/match.h"
#include "index/search/reference_table.h"

namespace soundgate {

// A stretch in items, accepted or not.
struct Alignment {
  uint32_t query_begin = 0, query_end = 0;          // items of the upload
  uint32_t reference_begin = 0, reference_end = 0;  // items of the reference
  uint32_t proving_items = 0;                       // those that say something: path.h
  double audio_speed = 1;
  Tempo tempo = Tempo::kSame;  // what it was sought as
  double bit_error_rate = 0;
  double score = 0;
  double independent_seconds = 0;
  // What all bands say of it together, as kBandWeights has it: less than one of them says where it
  // is the only one, which the weights see to.
  double joint_score = 0, joint_strength = 0;

  double strength() const { return soundgate::strength(score, independent_seconds); }
};

// The stretch about a candidate; empty (query_begin == query_end) if there is none. `speed`: items
// of the reference with each of the upload; none: any.
Alignment align(const Query& query, std::span<const Item> reference, const Candidate& candidate,
                std::optional<double> speed);

// What has come of each band of an upload, or of a probe; null where nothing has.
using BandedQuery = std::array<const Query*, kBandCount>;

// The same by one band, and what the other bands say of that stretch.
Alignment align(const BandedQuery& query, const BandedItems& reference, Band band,
                const Candidate& candidate, std::optional<double> speed);

struct ReferenceAlignments {
  Slot slot;
  std::vector<Alignment> alignments;  // accepted ones only; they may overlap
};

// What a stretch amounts to, by whichever evidence speaks for it more.
struct Judgement {
  bool is_accepted = false;  // long enough, and as strong as what was searched demands
  double score = 0, score_threshold = 0;
  double confidence = 0;
  double margin = 0;  // of its strength, over the one that it had to reach
};
Judgement judge(const Alignment& alignment, const SearchSpace& space);

// All references that the upload has stretches of, as that band finds them. `candidates`: heaviest
// first. `speeds`: those that count as the same tempo.
std::vector<ReferenceAlignments> align_all(const BandedQuery& query, Band band,
                                           const ReferenceTable& references,
                                           std::span<const Candidate> candidates,
                                           std::span<const double> speeds,
                                           const SearchSpace& space);

}  // namespace soundgate
