// What the watchdog takes for stuck, on a clock of the test's own.
#include "control/watchdog.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace soundgate {
namespace {

using std::chrono::milliseconds;
using testing::ElementsAre;
using testing::IsEmpty;

class WatchdogTest : public testing::Test {
 protected:
  WatchdogTest() {
    watchdog_.watch("lcore 0", milliseconds(5000), [this] { return lcore_; });
    watchdog_.watch("matcher 0", milliseconds(60000), [this] { return matcher_; });
  }
  // Looks twice a second for so long.
  bool look_for(milliseconds time, bool lcore_beats, bool matcher_beats) {
    bool well = true;
    for (milliseconds past{0}; past < time; past += milliseconds(500)) {
      now_ += milliseconds(500);
      if (lcore_beats) ++lcore_.beats;
      if (matcher_beats) matcher_.beats += 2;
      well = watchdog_.look(now_);
    }
    return well;
  }

  Watchdog watchdog_;
  Watchdog::Pulse lcore_, matcher_;
  Watchdog::Clock::time_point now_{std::chrono::hours(1)};
};

TEST_F(WatchdogTest, WhoBeatsIsWell) {
  EXPECT_TRUE(look_for(milliseconds(600'000), true, true));
  EXPECT_THAT(watchdog_.stuck(), IsEmpty());
}

TEST_F(WatchdogTest, WhoIsSilentForTooLongIsStuck) {
  EXPECT_TRUE(look_for(milliseconds(5000), false, true));
  EXPECT_FALSE(look_for(milliseconds(1000), false, true));
  EXPECT_THAT(watchdog_.stuck(), ElementsAre("lcore 0"));
}

TEST_F(WatchdogTest, EachPartHasItsOwnPatience) {
  EXPECT_TRUE(look_for(milliseconds(60'000), true, false));
  EXPECT_FALSE(look_for(milliseconds(1000), true, false));
  EXPECT_THAT(watchdog_.stuck(), ElementsAre("matcher 0"));
}

TEST_F(WatchdogTest, WhoIsIdleNeedNotBeat) {
  matcher_.idle = true;
  EXPECT_TRUE(look_for(milliseconds(600'000), true, false));
  matcher_.idle = false;
  EXPECT_TRUE(look_for(milliseconds(50'000), true, false)) << "it counts from when work came";
}

TEST_F(WatchdogTest, WhoGoesOnIsWellAgain) {
  look_for(milliseconds(10'000), false, true);
  EXPECT_TRUE(look_for(milliseconds(500), true, true));
  EXPECT_THAT(watchdog_.stuck(), IsEmpty());
}

TEST_F(WatchdogTest, NobodyIsBlamedForTimeInWhichNobodyLooked) {
  look_for(milliseconds(1000), true, true);
  now_ += std::chrono::minutes(10);  // the machine stood still, and all parts with it
  EXPECT_TRUE(watchdog_.look(now_));
  EXPECT_TRUE(look_for(milliseconds(4000), false, true));
  EXPECT_FALSE(look_for(milliseconds(2000), false, true)) << "but for what comes after it";
}

}  // namespace
}  // namespace soundgate
