#include "index/align/aligner.h"

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <map>
#include <utility>

#include "index/align/limits.h"
#include "index/align/path.h"
#include "index/align/score.h"
#include "index/align/threshold.h"

namespace soundgate {
namespace {

// A path, and the part of it that counts.
struct Stretch {
  Path path;
  StepRange range;
};

// Calls visit(query item, offset) for each step of the range, in order.
template <class Visit>
void for_each_step(const Stretch& stretch, Visit visit) {
  for (size_t i = stretch.range.begin; i < stretch.range.end; ++i) {
    visit(stretch.path.query_begin + static_cast<uint32_t>(i), stretch.path.offsets[i]);
  }
}

// By the items of any band, whichever the path was found by.
Comparison compare(const Query& query, std::span<const Item> reference, const Stretch& stretch) {
  Comparison comparison;
  for_each_step(stretch, [&](uint32_t item, int32_t offset) {
    const auto there = static_cast<size_t>(static_cast<int64_t>(item) + offset);
    if (there >= reference.size() || proves_nothing(query, reference, item, there)) return;
    comparison.add(query.items()[item], reference[there]);
  });
  return comparison;
}

// Items of the reference that go by with each item of the upload: the slope of the offsets.
double speed_of(const Stretch& stretch) {
  double count = 0, sum_x = 0, sum_y = 0, sum_xx = 0, sum_xy = 0;
  for_each_step(stretch, [&](uint32_t item, int32_t offset) {
    const uint32_t step = item - stretch.path.query_begin;
    if (stretch.path.distances[step] == Path::kProvesNothing) return;
    const double x = step;
    count += 1;
    sum_x += x;
    sum_y += offset;
    sum_xx += x * x;
    sum_xy += x * offset;
  });
  const double spread = count * sum_xx - sum_x * sum_x;
  return spread > 0 ? 1 + (count * sum_xy - sum_x * sum_y) / spread : 1;
}

// Where the candidate lies inside a stretch that was found already, it adds nothing.
bool is_covered(const Candidate& candidate, std::span<const Alignment> alignments) {
  return std::ranges::any_of(alignments, [&](const Alignment& alignment) {
    if (candidate.query_item < alignment.query_begin) return false;
    if (candidate.query_item >= alignment.query_end) return false;
    const double into = (candidate.query_item - alignment.query_begin) * alignment.audio_speed;
    const double there = alignment.reference_begin + into;
    const double here = static_cast<double>(candidate.query_item) + candidate.offset;
    return std::abs(here - there) <= 2 * kOffsetSlack;
  });
}

// Whether a change of tempo is to be looked for: the treble keeps best what it does to music, so
// others are asked only where there is no treble.
bool looks_for_tempo(Band band, const BandedItems& items) {
  return band == Band::kTreble || items.band_count() == 1;
}

std::optional<Stretch> stretch_about(const Query& query, std::span<const Item> reference,
                                     const Candidate& candidate, std::optional<double> speed) {
  const auto [slot, anchor, offset, weight] = candidate;
  const Line line = speed ? line_at(query, reference, anchor, offset, *speed)
                          : line_of_any_speed(query, reference, anchor, offset);
  Stretch stretch{follow_path(query, reference, line), {}};
  stretch.range = best_range(stretch.path, kLikelyBits);
  if (stretch.range.end - stretch.range.begin < kMatchItemsMin) return std::nullopt;
  // The ends lie where items are half alike: between this stretch's own error rate and chance.
  const Similarity rough = compare(query, reference, stretch).similarity();
  stretch.range = best_range(stretch.path, 32 * (rough.bit_error_rate + rough.chance) / 2);
  if (stretch.range.empty()) return std::nullopt;
  return stretch;
}

Alignment alignment_of(const Stretch& stretch, const Comparison& comparison, Tempo tempo) {
  const auto& [path, range] = stretch;
  const Similarity similarity = comparison.similarity();
  Alignment alignment;
  alignment.query_begin = path.query_begin + static_cast<uint32_t>(range.begin);
  alignment.query_end = path.query_begin + static_cast<uint32_t>(range.end);
  alignment.reference_begin =
      alignment.query_begin + static_cast<uint32_t>(path.offsets[range.begin]);
  alignment.reference_end =
      alignment.query_end + static_cast<uint32_t>(path.offsets[range.end - 1]);
  alignment.proving_items = comparison.item_count();
  alignment.audio_speed = speed_of(stretch);
  alignment.bit_error_rate = similarity.bit_error_rate;
  alignment.tempo = tempo;
  alignment.score = similarity.score;
  alignment.independent_seconds =
      independent_seconds(alignment.proving_items * kItemSeconds, similarity.changed_share);
  return alignment;
}

// Adds what a band says of a stretch, which it or another has found.
void add_band(Alignment& alignment, Band band, const Comparison& comparison) {
  const Similarity similarity = comparison.similarity();
  const double seconds =
      independent_seconds(comparison.item_count() * kItemSeconds, similarity.changed_share);
  const double weight = kBandWeights[static_cast<size_t>(band)];
  alignment.joint_score += weight * similarity.score;
  alignment.joint_strength += weight * strength(similarity.score, seconds);
}

Tempo tempo_of(std::optional<double> speed) { return speed ? Tempo::kSame : Tempo::kOther; }

}  // namespace

Alignment align(const Query& query, std::span<const Item> reference, const Candidate& candidate,
                std::optional<double> speed) {
  const auto stretch = stretch_about(query, reference, candidate, speed);
  if (!stretch) return {};
  return alignment_of(*stretch, compare(query, reference, *stretch), tempo_of(speed));
}

Alignment align(const BandedQuery& query, const BandedItems& reference, Band band,
                const Candidate& candidate, std::optional<double> speed) {
  const Query& own = *query[static_cast<size_t>(band)];
  const auto stretch = stretch_about(own, reference.of(band), candidate, speed);
  if (!stretch) return {};
  const Comparison by_own = compare(own, reference.of(band), *stretch);
  Alignment alignment = alignment_of(*stretch, by_own, tempo_of(speed));
  add_band(alignment, band, by_own);
  for (const Band other : kAllBands) {
    const Query* heard = query[static_cast<size_t>(other)];
    if (other == band || heard == nullptr || reference.of(other).empty()) continue;
    add_band(alignment, other, compare(*heard, reference.of(other), *stretch));
  }
  return alignment;
}

Judgement judge(const Alignment& alignment, const SearchSpace& space) {
  Judgement best;
  if (alignment.proving_items < kMatchItemsMin) return best;
  const auto judge_by = [&](Evidence evidence, double score, double strength) {
    const double margin = strength / strength_threshold(space, alignment.tempo, evidence);
    const double threshold = std::max(kScoreMin, score / margin);
    const bool is_accepted = score >= threshold;
    if (!(margin > 0) || std::pair(is_accepted, margin) <= std::pair(best.is_accepted, best.margin))
      return;
    best = {is_accepted, score, threshold,
            confidence_of(strength, space, alignment.tempo, evidence), margin};
  };
  judge_by(Evidence::kOwnBand, alignment.score, alignment.strength());
  judge_by(Evidence::kJoint, alignment.joint_score, alignment.joint_strength);
  return best;
}

namespace {

// The stretch about a candidate at the first speed that makes it count; at last, at any.
std::optional<Alignment> accepted_at(const BandedQuery& query, const BandedItems& reference,
                                     Band band, const Candidate& candidate,
                                     std::span<const double> speeds, const SearchSpace& space) {
  for (const double speed : speeds) {
    const Alignment alignment = align(query, reference, band, candidate, speed);
    if (judge(alignment, space).is_accepted) return alignment;
  }
  if (!looks_for_tempo(band, reference)) return std::nullopt;
  const Alignment alignment = align(query, reference, band, candidate, std::nullopt);
  if (judge(alignment, space).is_accepted) return alignment;
  return std::nullopt;
}

}  // namespace

std::vector<ReferenceAlignments> align_all(const BandedQuery& query, Band band,
                                           const ReferenceTable& references,
                                           std::span<const Candidate> candidates,
                                           std::span<const double> speeds,
                                           const SearchSpace& space) {
  const size_t query_items = query[static_cast<size_t>(band)]->size();
  std::map<Slot, std::vector<Alignment>> found;
  for (const Candidate& candidate :
       candidates.first(std::min(candidates.size(), aligned_candidates_max(query_items)))) {
    const ReferenceEntry* entry = references.at(candidate.slot);
    if (entry == nullptr) continue;
    std::vector<Alignment>& alignments = found[candidate.slot];
    if (is_covered(candidate, alignments)) continue;
    const SharedItems items = entry->items.load();
    if (!items) continue;  // removed meanwhile, or damaged: ItemCache counts those
    const auto alignment = accepted_at(query, *items, band, candidate, speeds, space);
    if (alignment) alignments.push_back(*alignment);
  }
  std::vector<ReferenceAlignments> result;
  for (auto& [slot, alignments] : found) {
    if (!alignments.empty()) result.push_back({slot, std::move(alignments)});
  }
  return result;
}

}  // namespace soundgate
