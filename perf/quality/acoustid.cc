#include "perf/quality/acoustid.h"

#include <algorithm>
#include <bit>
#include <cmath>
#include <limits>
#include <unordered_set>

namespace soundgate::quality {
namespace {

constexpr Item kSearchedBits = 0xfffffff0;  // the upper 28
constexpr size_t kQueryStart = 80, kQueryLength = 120;
constexpr double kDurationTolerance = 7;  // seconds
constexpr int64_t kOffsetMax = 80;
constexpr double kCandidateShare = 0.1;  // of the best candidate's shared items
constexpr double kVotesShareMin = 0.02;  // of the distinct items
constexpr int kVoteBits = 14;
constexpr size_t kNowhere = std::numeric_limits<size_t>::max();

constexpr size_t vote_key(Item item) { return item >> (32 - kVoteBits); }

std::vector<size_t> last_places(std::span<const Item> items) {
  std::vector<size_t> places(size_t{1} << kVoteBits, kNowhere);
  for (size_t i = 0; i < items.size(); ++i) places[vote_key(items[i])] = i;
  return places;
}

struct Vote {
  int64_t offset = 0;  // b's item - a's item
  size_t count = 0;
};

Vote most_voted(std::span<const Item> a, std::span<const Item> b, int64_t offset_max) {
  const auto places_a = last_places(a), places_b = last_places(b);
  std::unordered_map<int64_t, size_t> counts;
  Vote most;
  for (size_t key = 0; key < places_a.size(); ++key) {
    if (places_a[key] == kNowhere || places_b[key] == kNowhere) continue;
    const auto offset = static_cast<int64_t>(places_b[key]) - static_cast<int64_t>(places_a[key]);
    if (std::abs(offset) > offset_max) continue;
    const size_t count = ++counts[offset];
    if (count > most.count) most = {offset, count};
  }
  return most;
}

size_t distinct(std::span<const Item> items) {
  std::unordered_set<size_t> keys;
  for (const Item item : items) keys.insert(vote_key(item));
  return keys.size();
}

double diversity(std::span<const Item> items) {
  const double share =
      static_cast<double>(distinct(items) + 10) / static_cast<double>(items.size());
  return std::min(1.0, share + 0.5);
}

}  // namespace

AcoustId::Match acoustid_compare(std::span<const Item> a, std::span<const Item> b,
                                 int64_t offset_max) {
  const size_t shorter = std::min(a.size(), b.size());
  const Vote vote = most_voted(a, b, offset_max);
  if (vote.offset > 0) b = b.subspan(static_cast<size_t>(vote.offset));
  if (vote.offset < 0) a = a.subspan(static_cast<size_t>(-vote.offset));
  const size_t overlap = std::min(a.size(), b.size());
  AcoustId::Match match{0, 0, vote.offset};
  if (overlap == 0) return match;
  const auto votes_min = kVotesShareMin * static_cast<double>(std::max(distinct(a), distinct(b)));
  if (static_cast<double>(vote.count) < votes_min) return match;

  size_t differing_bits = 0;
  for (size_t i = 0; i < overlap; ++i) {
    differing_bits += static_cast<size_t>(std::popcount(a[i] ^ b[i]));
  }
  const auto items = static_cast<double>(overlap);
  const double covered = items / static_cast<double>(shorter);
  const double alike = 1 - 2 * static_cast<double>(differing_bits) / (32 * items);
  match.score = std::max(0.0, covered * alike);
  const double least_diverse = std::min(diversity(a), diversity(b));
  if (least_diverse < 1) match.score = std::pow(match.score, 8 - 7 * least_diverse);
  return match;
}

std::vector<Item> AcoustId::searched_items(std::span<const Item> items) const {
  size_t first = 0, count_max = items.size();
  if (options_.as_deployed) {
    const auto audible = static_cast<size_t>(
        std::ranges::count_if(items, [](Item item) { return item != kSilenceItem; }));
    count_max = kQueryLength;
    first = audible < kQueryLength ? 0 : std::min(audible - kQueryLength, kQueryStart);
  }
  std::vector<Item> searched;
  std::unordered_set<Item> seen;
  for (size_t i = first; i < items.size() && searched.size() < count_max; ++i) {
    if (items[i] == kSilenceItem) continue;
    if (seen.insert(items[i] & kSearchedBits).second) searched.push_back(items[i] & kSearchedBits);
  }
  return searched;
}

bool AcoustId::may_match(std::span<const Item> query, std::span<const Item> reference) const {
  if (!options_.as_deployed) return true;
  const double difference =
      std::abs(static_cast<double>(query.size()) - static_cast<double>(reference.size()));
  return difference * kItemSeconds <= kDurationTolerance;
}

size_t AcoustId::add(std::span<const Item> items) {
  const auto number = static_cast<uint32_t>(references_.size());
  references_.push_back(items);
  for (const Item item : searched_items(items)) postings_[item].push_back(number);
  return number;
}

std::vector<AcoustId::Match> AcoustId::search(std::span<const Item> query) const {
  std::unordered_map<uint32_t, size_t> shared;
  size_t most_shared = 0;
  for (const Item item : searched_items(query)) {
    const auto posting = postings_.find(item);
    if (posting == postings_.end()) continue;
    for (const uint32_t reference : posting->second) {
      most_shared = std::max(most_shared, ++shared[reference]);
    }
  }
  const int64_t offset_max =
      options_.as_deployed ? kOffsetMax : std::numeric_limits<int64_t>::max();
  std::vector<Match> matches;
  for (const auto& [reference, count] : shared) {
    if (static_cast<double>(count) <= kCandidateShare * static_cast<double>(most_shared)) continue;
    if (!may_match(query, references_[reference])) continue;
    Match match = acoustid_compare(query, references_[reference], offset_max);
    match.reference = reference;
    if (match.score > 0) matches.push_back(match);
  }
  std::ranges::sort(matches, std::greater{}, &Match::score);
  return matches;
}

}  // namespace soundgate::quality
