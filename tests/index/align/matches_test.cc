#include "index/align/matches.h"

#include <gtest/gtest.h>

#include <chrono>
#include <memory>

#include "index/align/limits.h"

namespace soundgate {
namespace {

constexpr SearchSpace kSpace{.reference_seconds = 1000, .query_seconds = 60};

class Matches : public testing::Test {
 protected:
  Matches() {
    snapshot_.banks[1] = Bank{.id = 1, .name = "music"};
    ReferenceEntry entry;
    entry.bank_id = 1;
    entry.reference.content_id = "song";
    entry.items = ReferenceItems(std::make_shared<const BandedItems>(std::vector<Item>(1000), 1));
    snapshot_.references.set(0, std::make_shared<const ReferenceEntry>(std::move(entry)));
  }

  static Alignment alignment(uint32_t query_begin, uint32_t reference_begin, uint32_t items,
                             double score) {
    Alignment alignment;
    alignment.query_begin = query_begin;
    alignment.query_end = query_begin + items;
    alignment.reference_begin = reference_begin;
    alignment.reference_end = reference_begin + items;
    alignment.proving_items = items;
    alignment.score = score;
    alignment.independent_seconds = items * kItemSeconds;
    return alignment;
  }

  static View view(double speed, uint32_t query_items, std::vector<Alignment> alignments) {
    return {speed, query_items, kSpace, {{0, std::move(alignments)}}};
  }

  Match only(std::vector<View> views) const {
    const auto matches = matches_of(views, snapshot_, std::chrono::system_clock::now());
    EXPECT_EQ(matches.size(), 1U);
    return matches.empty() ? Match{} : matches.front();
  }

  Snapshot snapshot_;
};

TEST_F(Matches, WhatWasToldEarlyStaysTold) {
  const auto made = [](const char* content_id, double seconds) {
    Match match;
    match.bank.id = 1;
    match.content_id = content_id;
    match.query_match_seconds = seconds;
    return match;
  };
  const auto matches = with_early({made("grown", 30), made("shrunk", 8), made("new", 5)},
                                  {made("grown", 12), made("shrunk", 12), made("lost", 20)});
  std::vector<std::pair<std::string, double>> told;
  for (const Match& each : matches) told.emplace_back(each.content_id, each.query_match_seconds);
  const std::vector<std::pair<std::string, double>> expected{
      {"grown", 30}, {"lost", 20}, {"shrunk", 12}, {"new", 5}};
  EXPECT_EQ(told, expected);
}

TEST_F(Matches, OuterEndsReachTheEndsOfTheAudio) {
  const MatchSegment whole = only({view(1, 100, {alignment(0, 50, 100, 0.9)})}).segments.at(0);
  EXPECT_DOUBLE_EQ(whole.query_start, 0);
  EXPECT_NEAR(whole.query_end, 99 * kItemSeconds + kItemSpanSeconds, 0.01);
  EXPECT_NEAR(whole.asset_start, 50 * kItemSeconds, 0.01);
  const MatchSegment inner = only({view(1, 500, {alignment(10, 50, 100, 0.9)})}).segments.at(0);
  EXPECT_NEAR(inner.query_start, 10 * kItemSeconds + kStartCutSeconds, 0.01);
  EXPECT_NEAR(inner.query_end, 109 * kItemSeconds + kEndCutSeconds, 0.01);
}

TEST_F(Matches, AProbesTimesAreTheUploads) {
  const MatchSegment segment =
      only({view(1.25, 500, {alignment(100, 50, 200, 0.9)})}).segments.at(0);
  EXPECT_NEAR(segment.query_start, (100 * kItemSeconds + kStartCutSeconds) / 1.25, 0.01);
  EXPECT_NEAR(segment.asset_start, 50 * kItemSeconds + kStartCutSeconds, 0.01);
  EXPECT_DOUBLE_EQ(segment.audio_speed, 1.25);
}

TEST_F(Matches, OfViewsOfOnePlaceTheStrongestStays) {
  const Match match =
      only({view(1, 500, {alignment(0, 50, 100, 0.5), alignment(300, 350, 100, 0.6)}),
            view(1.03, 515, {alignment(0, 50, 103, 0.8)})});
  ASSERT_EQ(match.segments.size(), 2U);  // by query_start
  EXPECT_DOUBLE_EQ(match.segments[0].audio_speed, 1.03);
  EXPECT_DOUBLE_EQ(match.segments[1].audio_speed, 1);
  EXPECT_DOUBLE_EQ(match.score, 0.8);
  EXPECT_GT(match.score, match.threshold);
  EXPECT_NEAR(match.query_match_seconds, 2 * 100 * kItemSeconds, 3);
}

TEST_F(Matches, ThresholdIsThatOfTheStretch) {
  const Match match = only({view(1, 500, {alignment(0, 50, 100, 0.9)})});
  const double seconds = 100 * kItemSeconds;
  EXPECT_NEAR(strength(match.threshold, seconds), strength_threshold(kSpace, Tempo::kSame), 1e-9);
}

TEST_F(Matches, PausedBanksHaveNone) {
  snapshot_.banks[1].paused = true;
  const std::vector<View> views{view(1, 500, {alignment(0, 50, 100, 0.9)})};
  EXPECT_TRUE(matches_of(views, snapshot_, std::chrono::system_clock::now()).empty());
}

}  // namespace
}  // namespace soundgate
