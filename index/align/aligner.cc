#include "index/align/aligner.h"

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <map>

#include "index/align/limits.h"
#include "index/align/path.h"
#include "index/align/score.h"
#include "index/align/threshold.h"

namespace soundgate {
namespace {

// Calls visit(query item, offset) for each step of the range that proves something, in order.
template <class Visit>
void for_each_item(const Path& path, StepRange range, Visit visit) {
  for (size_t i = range.begin; i < range.end; ++i) {
    if (path.distances[i] == Path::kProvesNothing) continue;
    visit(path.query_begin + static_cast<uint32_t>(i), path.offsets[i]);
  }
}

Comparison compare(const Query& query, std::span<const Item> reference, const Path& path,
                   StepRange range) {
  Comparison comparison;
  for_each_item(path, range, [&](uint32_t item, int32_t offset) {
    comparison.add(query.items()[item],
                   reference[static_cast<size_t>(static_cast<int64_t>(item) + offset)]);
  });
  return comparison;
}

// Items of the reference that go by with each item of the upload: the slope of the offsets.
double speed_of(const Path& path, StepRange range) {
  double count = 0, sum_x = 0, sum_y = 0, sum_xx = 0, sum_xy = 0;
  for_each_item(path, range, [&](uint32_t item, int32_t offset) {
    const double x = item - path.query_begin;
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

// The stretch about a candidate at the first speed that makes it count; at last, at any.
std::optional<Alignment> accepted_at(const Query& query, std::span<const Item> reference,
                                     const Candidate& candidate, std::span<const double> speeds,
                                     bool at_any_speed, const SearchSpace& space) {
  for (const double speed : speeds) {
    const Alignment alignment = align(query, reference, candidate, speed);
    if (is_accepted(alignment, space)) return alignment;
  }
  if (!at_any_speed) return std::nullopt;
  const Alignment alignment = align(query, reference, candidate, std::nullopt);
  if (is_accepted(alignment, space)) return alignment;
  return std::nullopt;
}

}  // namespace

Alignment align(const Query& query, std::span<const Item> reference, const Candidate& candidate,
                std::optional<double> speed) {
  const auto [slot, anchor, offset, weight] = candidate;
  const Line line = speed ? line_at(query, reference, anchor, offset, *speed)
                          : line_of_any_speed(query, reference, anchor, offset);
  const Path path = follow_path(query, reference, line);
  StepRange range = best_range(path, kLikelyBits);
  if (range.end - range.begin < kMatchItemsMin) return {};
  // The ends lie where items are half alike: between this stretch's own error rate and chance.
  const Similarity rough = compare(query, reference, path, range).similarity();
  range = best_range(path, 32 * (rough.bit_error_rate + rough.chance) / 2);
  if (range.empty()) return {};

  const Comparison comparison = compare(query, reference, path, range);
  const Similarity similarity = comparison.similarity();
  Alignment alignment;
  alignment.query_begin = path.query_begin + static_cast<uint32_t>(range.begin);
  alignment.query_end = path.query_begin + static_cast<uint32_t>(range.end);
  alignment.reference_begin =
      alignment.query_begin + static_cast<uint32_t>(path.offsets[range.begin]);
  alignment.reference_end =
      alignment.query_end + static_cast<uint32_t>(path.offsets[range.end - 1]);
  alignment.proving_items = comparison.item_count();
  alignment.audio_speed = speed_of(path, range);
  alignment.bit_error_rate = similarity.bit_error_rate;
  alignment.tempo = speed ? Tempo::kSame : Tempo::kOther;
  alignment.score = similarity.score;
  alignment.independent_seconds =
      independent_seconds(alignment.proving_items * kItemSeconds, similarity.changed_share);
  return alignment;
}

bool is_accepted(const Alignment& alignment, const SearchSpace& space) {
  return alignment.proving_items >= kMatchItemsMin && alignment.score >= kScoreMin &&
         alignment.strength() >= strength_threshold(space, alignment.tempo);
}

std::vector<ReferenceAlignments> align_all(const Query& query, Band band,
                                           const ReferenceTable& references,
                                           std::span<const Candidate> candidates,
                                           std::span<const double> speeds,
                                           const SearchSpace& space) {
  std::map<Slot, std::vector<Alignment>> found;
  for (const Candidate& candidate :
       candidates.first(std::min(candidates.size(), kAlignedCandidatesMax))) {
    const ReferenceEntry* entry = references.at(candidate.slot);
    if (entry == nullptr) continue;
    std::vector<Alignment>& alignments = found[candidate.slot];
    if (is_covered(candidate, alignments)) continue;
    const SharedItems items = entry->items.load();
    if (!items) continue;  // removed meanwhile, or damaged: ItemCache counts those
    const auto alignment = accepted_at(query, items->of(band), candidate, speeds,
                                       looks_for_tempo(band, *items), space);
    if (alignment) alignments.push_back(*alignment);
  }
  std::vector<ReferenceAlignments> result;
  for (auto& [slot, alignments] : found) {
    if (!alignments.empty()) result.push_back({slot, std::move(alignments)});
  }
  return result;
}

}  // namespace soundgate
