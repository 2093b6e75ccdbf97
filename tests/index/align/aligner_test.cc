#include "index/align/aligner.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <array>

#include "index/align/limits.h"
#include "tests/index/synthetic.h"

namespace soundgate {
namespace {

using test::make_track;
using test::slice;
using test::with_errors;
using test::operator+;

constexpr SearchSpace kSpace{.reference_seconds = 20'000, .query_seconds = 60};

Query query_of(const std::vector<Item>& items) {
  Query query;
  query.append(0, items);
  return query;
}

TEST(Aligner, FindsTheEndsOfAnEmbeddedStretch) {
  const auto reference = make_track(1, 120);
  const auto query =
      make_track(2, 20) + with_errors(slice(reference, 300, 200), 0.05) + make_track(3, 20);
  const auto lead = static_cast<uint32_t>(make_track(2, 20).size());
  const Candidate candidate{0, lead + 60, 300 - static_cast<int32_t>(lead) + 2, 1};  // 2 off
  const Alignment alignment = align(query_of(query), reference, candidate, 1);
  EXPECT_NEAR(alignment.query_begin, lead, 2);
  EXPECT_NEAR(alignment.query_end, lead + 200, 2);
  EXPECT_NEAR(alignment.reference_begin, 300, 2);
  EXPECT_NEAR(alignment.reference_end, 500, 2);
  EXPECT_NEAR(alignment.bit_error_rate, 0.05, 0.02);
  EXPECT_GT(alignment.score, 0.8);
  EXPECT_DOUBLE_EQ(alignment.audio_speed, 1);
  EXPECT_TRUE(judge(alignment, kSpace).is_accepted);
}

TEST(Aligner, FollowsTempoDrift) {
  const auto reference = make_track(1, 120);
  std::vector<Item> query;  // 2 % faster: every 50th item is skipped
  for (size_t i = 0; i < reference.size(); ++i) {
    if (i % 50 != 49) query.push_back(reference[i]);
  }
  const Alignment alignment = align(query_of(query), reference, {0, 400, 8, 1}, 1);
  EXPECT_LE(alignment.query_begin, 2U);
  EXPECT_GE(alignment.query_end, query.size() - 2);
  EXPECT_NEAR(alignment.audio_speed, 1.02, 0.003);
  EXPECT_GT(alignment.score, 0.8);
}

TEST(Aligner, CrossesAGapInTheUpload) {
  const auto reference = make_track(1, 60);
  Query query;
  query.append(0, slice(reference, 0, 200));
  query.append(260, slice(reference, 260, 200));
  const Alignment alignment = align(query, reference, {0, 100, 0, 1}, 1);
  EXPECT_EQ(alignment.query_begin, 0U);
  EXPECT_EQ(alignment.query_end, 460U);
  EXPECT_NEAR(alignment.proving_items, 400, 15);  // what is missing proves nothing
  EXPECT_DOUBLE_EQ(alignment.score, 1);
}

TEST(Aligner, UnrelatedAudioIsNotAccepted) {
  for (uint64_t seed = 0; seed < 50; ++seed) {
    const Query query = query_of(make_track(100 + seed, 60));
    EXPECT_FALSE(
        judge(align(query, make_track(200 + seed, 60), {0, 200, 0, 1}, 1), kSpace).is_accepted);
  }
}

TEST(Aligner, SharedSilenceIsNotAccepted) {
  const std::vector<Item> silence(500, kSilenceItem);
  const auto reference = make_track(1, 10) + silence + make_track(2, 10);
  const auto query = make_track(3, 10) + silence + make_track(4, 10);
  EXPECT_FALSE(judge(align(query_of(query), reference, {0, 200, 0, 1}, 1), kSpace).is_accepted);
  EXPECT_FALSE(judge(align(query_of(silence), silence, {0, 200, 0, 1}, 1), kSpace).is_accepted);
}

// A hostile index or candidate must not lead outside of either side.
TEST(Aligner, BearsCandidatesOutside) {
  const auto reference = make_track(1, 10);
  const Query query = query_of(make_track(1, 10));
  for (const int32_t offset : {-100000, -80, 80, 100000}) {
    EXPECT_FALSE(judge(align(query, reference, {0, 0, offset, 1}, 1), kSpace).is_accepted);
  }
  EXPECT_FALSE(judge(align(query, {}, {0, 0, 0, 1}, 1), kSpace).is_accepted);
}

// Played faster by another tempo: every few items one is left out, or said twice.
std::vector<Item> at_speed(const std::vector<Item>& items, double speed) {
  std::vector<Item> played;
  for (size_t i = 0; static_cast<double>(i) * speed < static_cast<double>(items.size() - 1); ++i) {
    played.push_back(items[static_cast<size_t>(static_cast<double>(i) * speed + 0.5)]);
  }
  return played;
}

// Five seconds of which no band is sure, and all are together.
TEST(Aligner, BandsProveTogetherWhatNoneDoesAlone) {
  const BandedItems reference = test::make_banded(1, 60);
  std::array<Query, kBandCount> heard;
  BandedQuery query;
  for (const Band band : kAllBands) {
    const auto of_band = reference.of(band);
    const std::vector<Item> items(of_band.begin(), of_band.end());
    const auto number = static_cast<size_t>(band);
    heard[number] = query_of(with_errors(slice(items, 200, 19), 0.17, number + 1));
    query[number] = &heard[number];
  }
  const SearchSpace space{.reference_seconds = 1e6,
                          .query_seconds = 5,
                          .band = Band::kTreble,
                          .false_positives_max = 1e-6 / 6,
                          .joint_false_positives_max = 1e-6 / 2};
  const Candidate candidate{0, 0, 200, 1};
  const Alignment together = align(query, reference, Band::kTreble, candidate, 1);
  const Judgement judgement = judge(together, space);
  EXPECT_TRUE(judgement.is_accepted);
  EXPECT_GE(judgement.score, judgement.score_threshold);
  EXPECT_LE(judgement.score, 1);
  EXPECT_GT(judgement.confidence, 1 - 1e-6);
  SearchSpace alone = space;
  alone.joint_false_positives_max = 0;
  EXPECT_FALSE(judge(together, alone).is_accepted);
  // What only one band has in common with a reference proves no more than that band does.
  const BandedItems other = test::make_banded(2, 60);
  std::vector<Item> mixed(other.all().begin(), other.all().end());
  std::ranges::copy(reference.of(Band::kTreble),
                    mixed.begin() + static_cast<ptrdiff_t>(2 * other.count()));
  const BandedItems treble_alone(std::move(mixed), kBandCount);
  EXPECT_LT(align(query, treble_alone, Band::kTreble, candidate, 1).joint_strength,
            0.7 * together.joint_strength);
  // A reference without bands is judged by the one that it has.
  const Alignment only = align(query, BandedItems(make_track(1, 60), 1), Band::kFull, candidate, 1);
  EXPECT_LT(only.joint_strength, 0.3 * only.strength());
}

// A score too low for all bands together must not hide that one alone would do.
TEST(Judgement, IsThatOfEvidenceThatSuffices) {
  Alignment alignment;
  alignment.proving_items = 2000;
  alignment.score = kScoreMin + 0.02;
  alignment.independent_seconds = 150;
  alignment.joint_score = kScoreMin - 0.01;
  alignment.joint_strength = strength(alignment.joint_score, 150);
  const SearchSpace space{.reference_seconds = 1e6,
                          .query_seconds = 200,
                          .false_positives_max = 1e-6 / 6,
                          .joint_false_positives_max = 1e-6 / 2};
  const Judgement judgement = judge(alignment, space);
  EXPECT_TRUE(judgement.is_accepted);
  EXPECT_EQ(judgement.score, alignment.score);
}

class AtAnotherTempo : public testing::TestWithParam<double> {};

TEST_P(AtAnotherTempo, IsFollowedFromEndToEnd) {
  const auto reference = make_track(1, 120);
  const auto query = with_errors(at_speed(reference, GetParam()), 0.05);
  const auto middle = static_cast<uint32_t>(query.size() / 2);
  const auto there = static_cast<int32_t>(middle * GetParam() + 0.5);
  const Candidate candidate{0, middle, there - static_cast<int32_t>(middle), 1};
  const Alignment any = align(query_of(query), reference, candidate, std::nullopt);
  EXPECT_EQ(any.tempo, Tempo::kOther);
  EXPECT_NEAR(any.audio_speed, GetParam(), 0.01);
  EXPECT_LE(any.query_begin, 3U);
  EXPECT_GE(any.query_end, query.size() - 3);
  EXPECT_GT(any.score, 0.75);
  EXPECT_TRUE(judge(any, kSpace).is_accepted);
  const Alignment same = align(query_of(query), reference, candidate, 1);
  EXPECT_LT(same.strength(), any.strength());
  // Known beforehand, as a pitch shift that a probe has undone, it is the same tempo.
  const Alignment known = align(query_of(query), reference, candidate, GetParam());
  EXPECT_EQ(known.tempo, Tempo::kSame);
  EXPECT_GT(known.score, 0.75);
}

INSTANTIATE_TEST_SUITE_P(Tempos, AtAnotherTempo, testing::Values(0.8, 0.87, 0.9, 1.1, 1.13, 1.2));

}  // namespace
}  // namespace soundgate
