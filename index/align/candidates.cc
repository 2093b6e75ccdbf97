#include "index/align/candidates.h"

#include <algorithm>
#include <tuple>

#include "index/align/limits.h"
#include "index/limits.h"

namespace soundgate {
namespace {

int32_t offset_of(const WindowHit& hit) {
  return static_cast<int32_t>(hit.reference_item) - static_cast<int32_t>(hit.query_item);
}

// A near hit says far more than one at the radius, where unrelated music swarms.
uint32_t weight_of(const WindowHit& hit) {
  const uint32_t nearness = kSearchRadius - hit.distance;
  return nearness * nearness;
}

Candidate candidate_of(std::span<const WindowHit> hits) {
  const auto best = std::ranges::min_element(hits, {}, &WindowHit::distance);
  Candidate candidate{best->slot, best->query_item, offset_of(*best), 0};
  for (const WindowHit& hit : hits) candidate.weight += weight_of(hit);
  return candidate;
}

// Hits at nearly one offset, by place: a candidate for each cluster of them.
void split_by_place(std::span<WindowHit> hits, std::vector<Candidate>& candidates) {
  std::ranges::sort(hits, {}, &WindowHit::query_item);
  size_t begin = 0;
  for (size_t i = 1; i <= hits.size(); ++i) {
    if (i < hits.size() && hits[i].query_item - hits[i - 1].query_item <= kQueryGapMax) continue;
    const Candidate candidate = candidate_of(hits.subspan(begin, i - begin));
    if (candidate.weight >= kCandidateWeightMin) candidates.push_back(candidate);
    begin = i;
  }
}

bool belongs(const WindowHit& first, const WindowHit& last, const WindowHit& next) {
  return next.slot == last.slot && offset_of(next) - offset_of(last) <= kOffsetGapMax &&
         offset_of(next) - offset_of(first) <= kOffsetSpreadMax;
}

void keep_heaviest(std::vector<Candidate>& candidates, size_t count) {
  if (candidates.size() <= count) return;
  std::ranges::nth_element(candidates, candidates.begin() + static_cast<ptrdiff_t>(count),
                           std::greater{}, &Candidate::weight);
  candidates.resize(count);
}

}  // namespace

void Candidates::add(std::span<const WindowHit> hits) {
  for (const WindowHit& hit : hits) {
    if (hits_.size() == kSessionHitsMax) boil_down();
    hits_.push_back(hit);
  }
}

void Candidates::boil_down() {
  std::ranges::sort(hits_, {}, [](const WindowHit& hit) {
    return std::tuple(hit.slot, offset_of(hit), hit.query_item);
  });
  const std::span<WindowHit> hits(hits_);
  size_t begin = 0;
  for (size_t i = 1; i <= hits.size(); ++i) {
    if (i < hits.size() && belongs(hits[begin], hits[i - 1], hits[i])) continue;
    split_by_place(hits.subspan(begin, i - begin), candidates_);
    begin = i;
  }
  hits_.clear();
  keep_heaviest(candidates_, kSessionCandidatesMax);
}

std::vector<Candidate> Candidates::take() {
  if (!hits_.empty()) boil_down();
  std::vector<Candidate> candidates;
  candidates.swap(candidates_);
  std::ranges::sort(candidates, std::greater{}, &Candidate::weight);
  return candidates;
}

}  // namespace soundgate
