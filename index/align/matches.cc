#include "index/align/matches.h"

#include <algorithm>
#include <map>
#include <tuple>
#include <utility>

#include "index/align/limits.h"

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

// A segment with what it is judged by.
struct Stretch {
  MatchSegment segment;
  double margin = 0;  // over what it had to reach
  double score_threshold = 0;

  double seconds() const { return segment.query_end - segment.query_start; }
};

Stretch stretch_of(const Alignment& alignment, const View& view, uint32_t reference_items) {
  // Where one side ends, its last item still counts to its own end.
  const bool starts = alignment.query_begin == 0 || alignment.reference_begin == 0;
  const bool ends =
      alignment.query_end == view.query_items || alignment.reference_end == reference_items;
  const double lead = starts ? 0 : kStartCutSeconds;
  const double tail = (ends ? kItemSpanSeconds : kEndCutSeconds) - kItemSeconds;
  Stretch stretch;
  const Judgement judgement = judge(alignment, view.space);
  stretch.margin = judgement.margin;
  stretch.score_threshold = judgement.score_threshold;
  MatchSegment& segment = stretch.segment;
  segment.query_start = (alignment.query_begin * kItemSeconds + lead) / view.speed;
  segment.query_end = (alignment.query_end * kItemSeconds + tail) / view.speed;
  segment.asset_start = alignment.reference_begin * kItemSeconds + lead;
  segment.asset_end = alignment.reference_end * kItemSeconds + tail;
  segment.audio_speed = alignment.audio_speed * view.speed;
  segment.bit_error_rate = alignment.bit_error_rate;
  segment.score = judgement.score;
  segment.confidence = judgement.confidence;
  return stretch;
}

// A reference that repeats itself matches at several places, and with probes at several speeds. Of
// stretches that mostly cover the same part of the upload, the strongest stays. Strongest first.
std::vector<Stretch> best_of_rivals(std::vector<Stretch> stretches) {
  std::ranges::sort(stretches, std::greater{}, &Stretch::margin);
  std::vector<Stretch> kept;
  for (const Stretch& stretch : stretches) {
    const bool rivalled = std::ranges::any_of(kept, [&](const Stretch& better) {
      const double begin = std::max(stretch.segment.query_start, better.segment.query_start);
      const double end = std::min(stretch.segment.query_end, better.segment.query_end);
      return 2 * (end - begin) > stretch.seconds();
    });
    if (!rivalled) kept.push_back(stretch);
  }
  return kept;
}

// `stretches`: strongest first.
Match match_of(std::span<const Stretch> stretches, const Bank& bank, const ReferenceEntry& entry) {
  Match match;
  match.bank = bank;
  match.content_id = entry.reference.content_id;
  match.title = entry.reference.title;
  match.metadata_json = entry.reference.metadata_json;
  match.asset_duration_seconds = entry.reference.duration_seconds;
  match.score = stretches.front().segment.score;
  match.threshold = stretches.front().score_threshold;

  std::vector<Interval> query;
  std::vector<Interval> asset;
  for (const Stretch& stretch : stretches) {
    const MatchSegment& segment = stretch.segment;
    match.segments.push_back(segment);
    query.push_back({segment.query_start, segment.query_end});
    asset.push_back({segment.asset_start, segment.asset_end});
  }
  std::ranges::sort(match.segments, {}, &MatchSegment::query_start);
  match.query_match_seconds = union_seconds(std::move(query));
  match.asset_match_seconds = union_seconds(std::move(asset));
  return match;
}

std::map<Slot, std::vector<Stretch>> stretches_by_slot(std::span<const View> views,
                                                       const ReferenceTable& references) {
  std::map<Slot, std::vector<Stretch>> stretches;
  for (const View& view : views) {
    for (const auto& [slot, alignments] : view.found) {
      const ReferenceEntry* entry = references.at(slot);
      if (entry == nullptr) continue;
      const uint32_t reference_items = entry->items.count();
      for (const Alignment& alignment : alignments) {
        stretches[slot].push_back(stretch_of(alignment, view, reference_items));
      }
    }
  }
  return stretches;
}

void sort_by_action(std::vector<Match>& matches) {
  std::ranges::sort(matches, std::greater{}, [](const Match& match) {
    return std::tuple(match.bank.action, match.query_match_seconds, match.score);
  });
}

}  // namespace

std::vector<Match> matches_of(std::span<const View> views, const Snapshot& snapshot,
                              std::chrono::system_clock::time_point now) {
  std::vector<Match> matches;
  for (auto& [slot, stretches] : stretches_by_slot(views, snapshot.references)) {
    const ReferenceEntry& entry = *snapshot.references.at(slot);
    if (is_in_force(entry.reference.suppression, now)) continue;
    const Bank& bank = snapshot.banks.at(entry.bank_id);
    if (bank.paused) continue;
    matches.push_back(match_of(best_of_rivals(std::move(stretches)), bank, entry));
  }
  sort_by_action(matches);
  return matches;
}

std::vector<Match> with_early(std::vector<Match> matches, std::vector<Match> early) {
  for (Match& match : early) {
    const auto later = std::ranges::find_if(matches, [&](const Match& other) {
      return other.bank.id == match.bank.id && other.content_id == match.content_id;
    });
    if (later == matches.end()) {
      matches.push_back(std::move(match));
    } else if (later->query_match_seconds < match.query_match_seconds) {
      *later = std::move(match);
    }
  }
  sort_by_action(matches);
  return matches;
}

}  // namespace soundgate
