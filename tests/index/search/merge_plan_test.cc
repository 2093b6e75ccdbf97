#include "index/search/merge_plan.h"

#include <gtest/gtest.h>

#include <vector>

namespace soundgate {
namespace {

SegmentSize file(size_t windows) { return {windows, true, false}; }
SegmentSize memory(size_t windows) { return {windows, false, false}; }

size_t total(const std::vector<SegmentSize>& segments) {
  size_t windows = 0;
  for (const SegmentSize& segment : segments) windows += segment.windows;
  return windows;
}

std::optional<MergePlan> plan(const std::vector<SegmentSize>& segments) {
  return plan_merge(segments, total(segments));
}

TEST(MergePlan, LeavesWhatIsSmallOrInShape) {
  EXPECT_FALSE(plan({}));
  EXPECT_FALSE(plan({memory(1000), memory(500)}));
  EXPECT_FALSE(plan({file(9 * kSealWindows), file(2 * kSealWindows), memory(kSealWindows - 1)}));
}

TEST(MergePlan, SealsWhatIsInMemoryWithTheSmallFilesBeforeIt) {
  auto wanted = plan({file(9 * kSealWindows), memory(kSealWindows), memory(10)});
  ASSERT_TRUE(wanted);
  EXPECT_EQ(wanted->begin, 1U);
  EXPECT_EQ(wanted->end, 3U);
  wanted = plan({file(9 * kSealWindows), file(kSealWindows), memory(kSealWindows)});
  ASSERT_TRUE(wanted);
  EXPECT_EQ(wanted->begin, 1U);
  EXPECT_EQ(wanted->end, 3U);
}

TEST(MergePlan, MergesFilesOfOneSize) {
  const auto wanted = plan({file(900'000), file(200'000), file(150'000), memory(10)});
  ASSERT_TRUE(wanted);
  EXPECT_EQ(wanted->begin, 1U);
  EXPECT_EQ(wanted->end, 3U);
}

TEST(MergePlan, WritesEverythingAnewWhereMostOfItIsDead) {
  const std::vector<SegmentSize> segments{file(900'000), file(200'000), memory(10)};
  EXPECT_FALSE(plan_merge(segments, 600'000));
  const auto wanted = plan_merge(segments, 500'000);
  ASSERT_TRUE(wanted);
  EXPECT_EQ(wanted->begin, 0U);
  EXPECT_EQ(wanted->end, 3U);
}

TEST(MergePlan, MakesADamagedFileAgainFirst) {
  std::vector<SegmentSize> segments{file(900'000), file(200'000), memory(kSealWindows)};
  segments[1].is_damaged = true;
  const auto wanted = plan(segments);
  ASSERT_TRUE(wanted);
  EXPECT_TRUE(wanted->rebuild);
  EXPECT_EQ(wanted->begin, 1U);
  EXPECT_EQ(wanted->end, 2U);
}

// However references come, segments stay few, and each window is written few times.
TEST(MergePlan, ManyAdditionsMakeFewFiles) {
  std::vector<SegmentSize> segments;
  size_t written = 0;
  for (int i = 0; i < 1000; ++i) {
    segments.push_back(memory(kSealWindows));
    while (const auto wanted = plan(segments)) {
      SegmentSize merged = file(0);
      for (size_t s = wanted->begin; s < wanted->end; ++s) merged.windows += segments[s].windows;
      written += merged.windows;
      const auto begin = segments.begin() + static_cast<ptrdiff_t>(wanted->begin);
      const auto end = segments.begin() + static_cast<ptrdiff_t>(wanted->end);
      *begin = merged;
      segments.erase(begin + 1, end);
    }
    ASSERT_LE(segments.size(), 11U);
  }
  EXPECT_LE(written, 11 * total(segments));
}

}  // namespace
}  // namespace soundgate
