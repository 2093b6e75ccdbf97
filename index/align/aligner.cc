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

constexpr size_t kMatchItemsMin = static_cast<size_t>(kMatchSecondsMin / kItemSeconds);

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

double evidence(const Alignment& alignment) {
  return alignment.score * alignment.proving_seconds();
}

// A reference that repeats itself matches at several offsets. Of stretches that mostly cover the
// same part of the upload, the best stays.
std::vector<Alignment> best_of_rivals(std::vector<Alignment> alignments) {
  std::ranges::sort(alignments, std::greater{}, evidence);
  std::vector<Alignment> kept;
  for (const Alignment& alignment : alignments) {
    const bool rivalled = std::ranges::any_of(kept, [&](const Alignment& better) {
      const auto begin = std::max(alignment.query_begin, better.query_begin);
      const auto end = std::min(alignment.query_end, better.query_end);
      return end > begin && 2 * (end - begin) > alignment.query_end - alignment.query_begin;
    });
    if (!rivalled) kept.push_back(alignment);
  }
  std::ranges::sort(kept, {}, &Alignment::query_begin);
  return kept;
}

}  // namespace

Alignment align(const Query& query, std::span<const Item> reference, const Candidate& candidate) {
  const int32_t offset = refine_offset(query, reference, candidate.query_item, candidate.offset);
  const Path path = follow_path(query, reference, candidate.query_item, offset);
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
  alignment.score = similarity.score;
  return alignment;
}

bool is_accepted(const Alignment& alignment) {
  return alignment.proving_seconds() >= kMatchSecondsMin &&
         alignment.score >= score_threshold(alignment.proving_seconds());
}

MatchSegment segment_of(const Alignment& alignment, uint32_t query_items,
                        uint32_t reference_items) {
  // Where one side ends, its last item still counts to its own end.
  const bool starts = alignment.query_begin == 0 || alignment.reference_begin == 0;
  const bool ends =
      alignment.query_end == query_items || alignment.reference_end == reference_items;
  const double lead = starts ? 0 : kStartCutSeconds;
  const double tail = (ends ? kItemSpanSeconds : kEndCutSeconds) - kItemSeconds;
  MatchSegment segment;
  segment.query_start = alignment.query_begin * kItemSeconds + lead;
  segment.query_end = alignment.query_end * kItemSeconds + tail;
  segment.asset_start = alignment.reference_begin * kItemSeconds + lead;
  segment.asset_end = alignment.reference_end * kItemSeconds + tail;
  segment.audio_speed = alignment.audio_speed;
  segment.bit_error_rate = alignment.bit_error_rate;
  segment.score = alignment.score;
  segment.confidence = confidence_of(alignment.score, alignment.proving_seconds());
  return segment;
}

std::vector<ReferenceAlignments> align_all(const Query& query, const ReferenceTable& references,
                                           std::span<const Candidate> candidates) {
  std::map<Slot, std::vector<Alignment>> found;
  for (const Candidate& candidate :
       candidates.first(std::min(candidates.size(), kAlignedCandidatesMax))) {
    const ReferenceEntry* entry = references.at(candidate.slot);
    if (entry == nullptr) continue;
    std::vector<Alignment>& alignments = found[candidate.slot];
    if (is_covered(candidate, alignments)) continue;
    const SharedItems items = entry->items.load();
    if (!items) continue;  // removed meanwhile, or damaged: ItemCache counts those
    const Alignment alignment = align(query, *items, candidate);
    if (is_accepted(alignment)) alignments.push_back(alignment);
  }
  std::vector<ReferenceAlignments> result;
  for (auto& [slot, alignments] : found) {
    if (alignments.empty()) continue;
    result.push_back({slot, best_of_rivals(std::move(alignments))});
  }
  return result;
}

}  // namespace soundgate
