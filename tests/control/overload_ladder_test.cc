// The overload ladder on a clock of the test's own.
#include "control/inspection/overload_ladder.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <vector>

namespace soundgate {
namespace {

using std::chrono::milliseconds;
using testing::ElementsAre;
using testing::IsEmpty;
using enum OverloadStep;

class OverloadLadderTest : public testing::Test {
 protected:
  // Looks four times a second for so long; returns the steps that came, in order.
  std::vector<OverloadStep> look_for(milliseconds time, double load) {
    std::vector<OverloadStep> steps;
    for (milliseconds past{0}; past < time; past += milliseconds(250)) {
      now_ += milliseconds(250);
      const OverloadStep before = ladder_.step();
      if (const OverloadStep step = ladder_.look(load, now_); step != before) steps.push_back(step);
    }
    return steps;
  }

  OverloadLadder ladder_;
  OverloadLadder::Clock::time_point now_{std::chrono::hours(1)};
};

TEST_F(OverloadLadderTest, LittleLoadIsNone) {
  EXPECT_THAT(look_for(milliseconds(60'000), 0.24), IsEmpty());
}

TEST_F(OverloadLadderTest, EveryStepIsTakenInOrderAndLeftInTheOpposite) {
  EXPECT_THAT(look_for(milliseconds(1000), 1.0),
              ElementsAre(kShortProbes, kSparse, kBackPressure, kFailPolicy));
  EXPECT_THAT(look_for(milliseconds(20'000), 0.0),
              ElementsAre(kBackPressure, kSparse, kShortProbes, kNone));
}

TEST_F(OverloadLadderTest, ItGoesAsHighAsTheLoadAndNoHigher) {
  EXPECT_THAT(look_for(milliseconds(60'000), 0.3), ElementsAre(kShortProbes));
  EXPECT_THAT(look_for(milliseconds(60'000), 0.6), ElementsAre(kSparse));
  EXPECT_THAT(look_for(milliseconds(60'000), 0.8), ElementsAre(kBackPressure));
  EXPECT_THAT(look_for(milliseconds(60'000), 0.9), ElementsAre(kFailPolicy));
}

TEST_F(OverloadLadderTest, LoadThatIsLittleLowerKeepsTheStep) {
  look_for(milliseconds(1000), 0.55);
  EXPECT_EQ(ladder_.step(), kSparse);
  EXPECT_THAT(look_for(milliseconds(60'000), 0.36), IsEmpty());
  EXPECT_THAT(look_for(milliseconds(60'000), 0.34), ElementsAre(kShortProbes));
}

TEST_F(OverloadLadderTest, AStepIsLeftWhenItHasBeenCalmForAWhile) {
  look_for(milliseconds(250), 0.3);
  EXPECT_THAT(look_for(milliseconds(1750), 0.0), IsEmpty());
  EXPECT_THAT(look_for(milliseconds(250), 0.2), IsEmpty()) << "no calm";
  EXPECT_THAT(look_for(milliseconds(1750), 0.0), IsEmpty());
  EXPECT_THAT(look_for(milliseconds(250), 0.0), ElementsAre(kNone));
}

TEST_F(OverloadLadderTest, EachHasItsName) {
  EXPECT_EQ(name(kNone), "none");
  EXPECT_EQ(name(kFailPolicy), "fail_policy");
}

}  // namespace
}  // namespace soundgate
