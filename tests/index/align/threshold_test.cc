#include "index/align/threshold.h"

#include <gtest/gtest.h>

#include <cmath>

namespace soundgate {
namespace {

constexpr SearchSpace kSuite{.reference_seconds = 900'000, .query_seconds = 27};

TEST(Strength, GrowsWithScoreLengthAndNews) {
  EXPECT_GT(strength(0.5, independent_seconds(10, 0.27)),
            strength(0.4, independent_seconds(10, 0.27)));
  EXPECT_GT(strength(0.5, independent_seconds(20, 0.27)),
            strength(0.5, independent_seconds(10, 0.27)));
  // A drone says in ten seconds what music says in a few.
  EXPECT_GT(strength(0.5, independent_seconds(10, 0.27)),
            strength(0.5, independent_seconds(10, 0.1)));
  EXPECT_EQ(strength(1, independent_seconds(100, 0)), 0);
}

// The strongest that 800 impostors had in common with 4,365 references, README, "Thresholds".
TEST(Threshold, StaysAboveImpostors) {
  const SearchSpace impostor{.reference_seconds = 900'000, .query_seconds = 100};
  EXPECT_GT(strength_threshold(impostor, Tempo::kSame), 1.38 + 0.2);
  EXPECT_GT(strength_threshold(impostor, Tempo::kOther), 1.76 + 0.2);
}

TEST(Threshold, GrowsWithWhatIsSearched) {
  SearchSpace larger = kSuite;
  larger.reference_seconds *= 200;
  EXPECT_GT(strength_threshold(larger, Tempo::kSame), strength_threshold(kSuite, Tempo::kSame));
  SearchSpace longer = kSuite;
  longer.query_seconds *= 20;
  EXPECT_GT(strength_threshold(longer, Tempo::kSame), strength_threshold(kSuite, Tempo::kSame));
  SearchSpace stricter = kSuite;
  stricter.false_positives_max = 1e-9;
  EXPECT_GT(strength_threshold(stricter, Tempo::kSame), strength_threshold(kSuite, Tempo::kSame));
  EXPECT_GT(strength_threshold(kSuite, Tempo::kOther), strength_threshold(kSuite, Tempo::kSame));
  EXPECT_TRUE(std::isfinite(strength_threshold({}, Tempo::kSame)));
}

TEST(Threshold, OfAllBandsTogetherIsLower) {
  SearchSpace space = kSuite;
  EXPECT_TRUE(std::isinf(strength_threshold(space, Tempo::kSame, Evidence::kJoint)));
  space.joint_false_positives_max = space.false_positives_max;
  for (const Tempo tempo : {Tempo::kSame, Tempo::kOther}) {
    EXPECT_LT(strength_threshold(space, tempo, Evidence::kJoint), strength_threshold(space, tempo));
  }
  // 1,000 impostors and 4,365 references, README, "Thresholds".
  const SearchSpace impostor{
      .reference_seconds = 900'000, .query_seconds = 100, .joint_false_positives_max = 0.5e-6};
  EXPECT_GT(strength_threshold(impostor, Tempo::kSame, Evidence::kJoint), 1.05 + 0.2);
  EXPECT_GT(strength_threshold(impostor, Tempo::kOther, Evidence::kJoint), 1.16 + 0.2);
}

// What just counts is expected as often as the setting says, in both tempos together.
TEST(Confidence, AtTheThresholdIsTheSetting) {
  for (const double bearable : {1e-3, 1e-6, 1e-9}) {
    SearchSpace space = kSuite;
    space.false_positives_max = bearable;
    for (const Tempo tempo : {Tempo::kSame, Tempo::kOther}) {
      const double doubt = 1 - confidence_of(strength_threshold(space, tempo), space, tempo);
      EXPECT_NEAR(doubt / bearable, 1, 0.01);
    }
  }
}

TEST(Confidence, GrowsWithStrength) {
  EXPECT_LT(confidence_of(1.2, kSuite, Tempo::kSame), confidence_of(1.4, kSuite, Tempo::kSame));
  EXPECT_NEAR(confidence_of(0, kSuite, Tempo::kSame), 0, 1e-9);
  EXPECT_LE(confidence_of(100, kSuite, Tempo::kSame), 1);
}

}  // namespace
}  // namespace soundgate
