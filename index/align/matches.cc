#include "index/align/matches.h"

#include <algorithm>
#include <tuple>

#include "index/align/threshold.h"

namespace soundgate {
namespace {

struct Interval {
  double start, end;
};

double union_seconds(std::vector<Interval> intervals) {
  std::ranges::sort(intervals, {}, &Interval::start);
  double seconds = 0;
  double covered_end = 0;
  for (const Interval& interval : intervals) {
    seconds += std::max(0.0, interval.end - std::max(interval.start, covered_end));
    covered_end = std::max(covered_end, interval.end);
  }
  return seconds;
}

Match match_of(const ReferenceAlignments& found, uint32_t query_items, const Bank& bank,
               const ReferenceEntry& entry) {
  Match match;
  match.bank = bank;
  match.content_id = entry.reference.content_id;
  match.title = entry.reference.title;
  match.metadata_json = entry.reference.metadata_json;
  match.asset_duration_seconds = entry.reference.duration_seconds;

  const auto best = std::ranges::max_element(found.alignments, {}, &Alignment::score);
  match.score = best->score;
  match.threshold = score_threshold(best->proving_seconds());

  std::vector<Interval> query;
  std::vector<Interval> asset;
  const auto reference_items = entry.items.count();
  for (const Alignment& alignment : found.alignments) {
    match.segments.push_back(segment_of(alignment, query_items, reference_items));
    const MatchSegment& segment = match.segments.back();
    query.push_back({segment.query_start, segment.query_end});
    asset.push_back({segment.asset_start, segment.asset_end});
  }
  match.query_match_seconds = union_seconds(std::move(query));
  match.asset_match_seconds = union_seconds(std::move(asset));
  return match;
}

}  // namespace

std::vector<Match> matches_of(std::span<const ReferenceAlignments> found, uint32_t query_items,
                              const Snapshot& snapshot, std::chrono::system_clock::time_point now) {
  std::vector<Match> matches;
  for (const ReferenceAlignments& of_reference : found) {
    const ReferenceEntry* entry = snapshot.references.at(of_reference.slot);
    if (entry == nullptr || is_in_force(entry->reference.suppression, now)) continue;
    const Bank& bank = snapshot.banks.at(entry->bank_id);
    if (bank.paused) continue;
    matches.push_back(match_of(of_reference, query_items, bank, *entry));
  }
  std::ranges::sort(matches, std::greater{}, [](const Match& match) {
    return std::tuple(match.bank.action, match.query_match_seconds, match.score);
  });
  return matches;
}

}  // namespace soundgate
