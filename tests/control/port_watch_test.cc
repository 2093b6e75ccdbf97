// Offloads that were left on are noticed by what they do to frames, and said once in a while.
#include "control/port_watch.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace soundgate {
namespace {

using testing::HasSubstr;

DataplaneCounters counted(uint64_t received, uint64_t bad_checksums, uint64_t frames_cut) {
  DataplaneCounters counters{};
  counters.client.received_packets = received;
  counters.bad_checksums = bad_checksums;
  counters.frames_cut = frames_cut;
  return counters;
}

TEST(PortWatch, ShareCountsAndSingleOnesDoNot) {
  EXPECT_EQ(offload_advice(counted(1'000, 0, 0)), "");
  EXPECT_EQ(offload_advice(counted(100, 19, 0)), "");
  EXPECT_EQ(offload_advice(counted(1'000'000, 500, 0)), "");
  EXPECT_THAT(offload_advice(counted(1'000, 20, 0)), HasSubstr("tx off tso off gso off gro off"));
  EXPECT_THAT(offload_advice(counted(1'000, 0, 20)), HasSubstr("20 frames were cut"));
}

TEST(PortWatch, SaysItOnceInTenMinutesWhileItGoesOn) {
  PortWatch watch;
  const PortWatch::Time start{};
  EXPECT_EQ(watch.look(counted(1'000, 0, 0), start), "");
  EXPECT_NE(watch.look(counted(1'000, 100, 0), start), "");
  EXPECT_EQ(watch.look(counted(1'000, 200, 0), start + std::chrono::minutes(1)), "");
  EXPECT_NE(watch.look(counted(1'000, 300, 0), start + std::chrono::minutes(11)), "");
  EXPECT_EQ(watch.look(counted(1'000, 300, 0), start + std::chrono::minutes(30)), "")
      << "no more of them";
}

}  // namespace
}  // namespace soundgate
