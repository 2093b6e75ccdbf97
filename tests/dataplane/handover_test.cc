// Packets between lcores: in order, and no lcore stands in the way of another.
#include "dataplane/port/handover.h"

#include <gtest/gtest.h>

#include <array>
#include <thread>
#include <vector>

#include "dataplane/limits.h"
#include "dataplane/port/eal.h"

namespace soundgate {
namespace {

constexpr unsigned kLcores = 3;

// Nobody looks into them: a number where a packet would be.
rte_mbuf* packet(size_t number) { return reinterpret_cast<rte_mbuf*>((number + 1) * 64); }

class HandoverTest : public testing::Test {
 protected:
  static void SetUpTestSuite() {
    const auto started = start_eal({"--no-huge", "-m", "64", "--no-telemetry"}, {});
    ASSERT_TRUE(started.has_value()) << started.error();
  }
  void SetUp() override {
    const auto opened = handover_.open("test", kLcores);
    ASSERT_TRUE(opened.has_value()) << opened.error();
  }
  // Or they would be freed as packets.
  void TearDown() override { take_all(); }

  std::vector<rte_mbuf*> take_all() {
    std::vector<rte_mbuf*> all;
    std::array<rte_mbuf*, kBurstFrames> burst;
    while (const size_t count = handover_.take(burst)) {
      all.insert(all.end(), burst.begin(), burst.begin() + static_cast<ptrdiff_t>(count));
    }
    return all;
  }
  size_t put(unsigned lcore, size_t number) {
    rte_mbuf* one = packet(number);
    return handover_.put(lcore, {&one, 1});
  }

  Handover handover_;
};

TEST_F(HandoverTest, WhatOneLcoreHasFilledHasRoomForOthers) {
  size_t taken = 0;
  while (put(0, taken) == 1) ++taken;
  EXPECT_EQ(taken, kHandoverPacketsMax - 1);
  EXPECT_EQ(put(1, 1), 1u);
  EXPECT_EQ(put(2, 2), 1u);
}

TEST_F(HandoverTest, EachHasItsTurn) {
  for (size_t i = 0; i < 1'000; ++i) put(0, i);
  put(1, 5'000);
  put(2, 6'000);
  std::array<rte_mbuf*, kBurstFrames> burst;
  std::vector<rte_mbuf*> first;
  for (unsigned times = 0; times < kLcores; ++times) {
    const size_t count = handover_.take(burst);
    first.insert(first.end(), burst.begin(), burst.begin() + static_cast<ptrdiff_t>(count));
  }
  EXPECT_EQ(std::ranges::count(first, packet(5'000)), 1);
  EXPECT_EQ(std::ranges::count(first, packet(6'000)), 1);
}

TEST_F(HandoverTest, EveryPacketComesOnceAndThoseOfAnLcoreInOrder) {
  constexpr size_t kPackets = 200'000;
  std::vector<std::jthread> producers;
  for (unsigned lcore = 0; lcore < kLcores; ++lcore) {
    producers.emplace_back([this, lcore] {
      for (size_t i = 0; i < kPackets;) {
        i += put(lcore, i * kLcores + lcore);
        if (i % 64 == 0) std::this_thread::yield();
      }
    });
  }
  std::array<size_t, kLcores> next{};
  std::array<rte_mbuf*, kBurstFrames> burst;
  for (size_t left = kLcores * kPackets; left > 0;) {
    const size_t count = handover_.take(burst);
    if (count == 0) std::this_thread::yield();
    for (size_t i = 0; i < count; ++i) {
      const size_t number = reinterpret_cast<uintptr_t>(burst[i]) / 64 - 1;
      ASSERT_EQ(number / kLcores, next[number % kLcores]++);
    }
    left -= count;
  }
  producers.clear();
  EXPECT_TRUE(take_all().empty());
}

}  // namespace
}  // namespace soundgate
