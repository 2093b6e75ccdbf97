#include "tests/support/impairment.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <set>

namespace soundgate {
namespace {

using namespace std::chrono_literals;
using testing::ElementsAre;
using testing::IsEmpty;

constexpr Impairment::Clock::time_point kStart{};

// Feeds numbered frames and records the numbers that come out.
struct Wire {
  explicit Wire(const ImpairmentRates& rates, uint64_t seed = 7)
      : impairment(rates, seed, [this](Impairment::Frame frame) {
          out.push_back(std::to_integer<unsigned>(frame[0]) | std::to_integer<unsigned>(frame[1])
                                                                  << 8);
        }) {}

  void feed(unsigned count) {
    for (unsigned i = 0; i < count; ++i) {
      const std::byte frame[] = {std::byte(next & 0xff), std::byte(next >> 8)};
      ++next;
      impairment.receive(frame, kStart);
    }
  }

  unsigned next = 0;
  std::vector<unsigned> out;
  Impairment impairment;
};

TEST(Impairment, PassesEverythingInOrderWithoutRates) {
  Wire wire({});
  wire.feed(4);
  EXPECT_THAT(wire.out, ElementsAre(0, 1, 2, 3));
}

TEST(Impairment, LosesAboutItsShare) {
  Wire wire({.loss = 0.02});
  wire.feed(20000);
  EXPECT_NEAR(static_cast<double>(wire.impairment.counts().lost), 400, 80);
  EXPECT_EQ(wire.out.size() + wire.impairment.counts().lost, 20000u);
}

TEST(Impairment, SendsDuplicatesTwice) {
  Wire wire({.duplicate = 1.0});
  wire.feed(2);
  EXPECT_THAT(wire.out, ElementsAre(0, 0, 1, 1));
}

TEST(Impairment, ReorderedFramesAreOvertakenAndNeverLost) {
  Wire wire({.reorder = 0.1});
  wire.feed(5000);
  wire.impairment.expire(kStart + 1s);
  EXPECT_FALSE(std::ranges::is_sorted(wire.out));
  EXPECT_EQ(wire.out.size(), 5000u);
  EXPECT_EQ(std::set<unsigned>(wire.out.begin(), wire.out.end()).size(), 5000u);
}

TEST(Impairment, AFrameSetAsideGoesOutWhenItsWaitIsOver) {
  Wire wire({.reorder = 1.0, .reorder_wait_max = 5ms});
  wire.feed(1);
  ASSERT_EQ(wire.impairment.next_expiry(), kStart + 5ms);
  wire.impairment.expire(kStart + 4ms);
  EXPECT_THAT(wire.out, IsEmpty());
  wire.impairment.expire(kStart + 5ms);
  EXPECT_THAT(wire.out, ElementsAre(0));
  EXPECT_EQ(wire.impairment.next_expiry(), std::nullopt);
}

TEST(Impairment, HoldsABoundedNumberOfFrames) {
  Wire wire({.reorder = 1.0});
  wire.feed(Impairment::kFramesAsideMax + 10);
  wire.impairment.expire(kStart + 1s);
  EXPECT_EQ(wire.out.size(), Impairment::kFramesAsideMax + 10);
}

TEST(Impairment, TheSameSeedDoesTheSame) {
  const ImpairmentRates rates{.loss = 0.05, .duplicate = 0.05, .reorder = 0.05};
  Wire first(rates, 11), same(rates, 11), other(rates, 12);
  for (Wire* wire : {&first, &same, &other}) wire->feed(2000);
  EXPECT_EQ(first.out, same.out);
  EXPECT_NE(first.out, other.out);
}

}  // namespace
}  // namespace soundgate
