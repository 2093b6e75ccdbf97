#include "index/align/candidates.h"

#include <gtest/gtest.h>

#include "index/limits.h"

namespace soundgate {
namespace {

TEST(Candidates, HitsAtOneOffsetVoteTogether) {
  Candidates candidates;
  std::vector<WindowHit> hits;
  for (uint32_t i = 0; i < 10; ++i) hits.push_back({3, 800 + 8 * i, 8 * i, 100});
  hits[4].distance = 20;
  hits.push_back({5, 80, 40, 100});
  candidates.add(hits);
  const auto taken = candidates.take();
  ASSERT_EQ(taken.size(), 2U);
  EXPECT_EQ(taken[0].slot, 3U);
  EXPECT_EQ(taken[0].offset, 800);
  EXPECT_EQ(taken[0].query_item, 32U);  // the nearest hit's
  EXPECT_EQ(taken[1].slot, 5U);
  EXPECT_GT(taken[0].weight, 9 * taken[1].weight);
}

TEST(Candidates, TwoPlacesAreTwoCandidates) {
  Candidates candidates;
  candidates.add(std::vector<WindowHit>{{1, 100, 0, 20}, {1, 1100, 1000, 20}});
  EXPECT_EQ(candidates.take().size(), 2U);
}

TEST(Candidates, LoneFarHitsAreNone) {
  Candidates candidates;
  candidates.add(std::vector<WindowHit>{{1, 100, 0, kSearchRadius - 1}});
  EXPECT_TRUE(candidates.take().empty());
}

TEST(Candidates, StayBounded) {
  Candidates candidates;
  for (uint32_t i = 0; i < 20 * kSessionCandidatesMax; ++i) {
    candidates.add(std::vector<WindowHit>{{i, 0, 1000 * i, i == 77 ? 0U : 100U}});
  }
  const auto taken = candidates.take();
  EXPECT_LE(taken.size(), kSessionCandidatesMax);
  EXPECT_EQ(taken.front().slot, 77U);  // the heaviest is never what is dropped
}

}  // namespace
}  // namespace soundgate
