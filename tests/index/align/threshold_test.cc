#include "index/align/threshold.h"

#include <gtest/gtest.h>

namespace soundgate {
namespace {

TEST(Threshold, FallsWithLength) {
  EXPECT_GT(score_threshold(4), score_threshold(8));
  EXPECT_GT(score_threshold(8), score_threshold(24));
  EXPECT_EQ(score_threshold(60), score_threshold(600));
}

// The best scores of unrelated real music, by seconds: README, "Thresholds".
TEST(Threshold, StaysAboveImpostors) {
  for (const auto& [seconds, score] :
       {std::pair(4.0, .40), {5.0, .39}, {6.0, .35}, {8.0, .32}, {12.0, .28}, {25.0, .18}}) {
    EXPECT_GT(score_threshold(seconds), score + 0.1) << seconds;
  }
}

TEST(Confidence, GrowsWithScoreAndLength) {
  EXPECT_EQ(confidence_of(0, 20), 0);
  EXPECT_LT(confidence_of(0.25, 12), confidence_of(0.35, 12));
  EXPECT_LT(confidence_of(0.30, 12), confidence_of(0.30, 24));
  EXPECT_GT(confidence_of(score_threshold(12), 12), 1 - 1e-7);
  EXPECT_LE(confidence_of(1, 1e6), 1);
}

}  // namespace
}  // namespace soundgate
