// Captures on DPDK's own memory: what is copied, what is lost, what is written, and that all memory
// comes back.
#include "dataplane/port/capture_session.h"

#include <gtest/gtest.h>
#include <rte_ethdev.h>
#include <rte_lcore.h>
#include <rte_mbuf.h>

#include <array>
#include <atomic>
#include <cstring>
#include <ctime>
#include <map>
#include <optional>
#include <thread>

#include "dataplane/port/eal.h"
#include "tests/dataplane/frame_maker.h"

namespace soundgate::test {
namespace {

constexpr size_t kPacketBytes = 200;
constexpr unsigned kLcores = 4;

struct Block {
  uint32_t type = 0;
  std::vector<std::byte> body;  // without type and lengths

  template <class Number>
  Number at(size_t offset) const {
    Number value{};
    std::memcpy(&value, body.data() + offset, sizeof value);
    return value;
  }
};

std::vector<Block> blocks_of(const std::vector<std::byte>& bytes) {
  std::vector<Block> blocks;
  for (size_t at = 0; at < bytes.size();) {
    uint32_t head[2];
    std::memcpy(head, bytes.data() + at, sizeof head);
    const auto begin = bytes.begin() + static_cast<std::ptrdiff_t>(at);
    uint32_t again = 0;
    std::memcpy(&again, bytes.data() + at + head[1] - 4, sizeof again);
    EXPECT_EQ(again, head[1]);
    blocks.push_back({head[0], {begin + 8, begin + head[1] - 4}});
    at += head[1];
  }
  return blocks;
}

std::vector<Block> of_type(std::vector<Block> blocks, uint32_t type) {
  std::erase_if(blocks, [&](const Block& block) { return block.type != type; });
  return blocks;
}

// By option code, of a block of statistics.
std::map<uint16_t, uint64_t> statistics_of(const Block& block) {
  std::map<uint16_t, uint64_t> counts;
  for (size_t at = 12; at + 12 <= block.body.size(); at += 12) {
    counts[block.at<uint16_t>(at)] = block.at<uint64_t>(at + 4);
  }
  return counts;
}

class CaptureSessionTest : public testing::Test {
 protected:
  static void SetUpTestSuite() {
    const auto started =
        start_eal({"--no-huge", "-m", "128", "--no-telemetry"}, {"net_null0", "net_null1"});
    ASSERT_TRUE(started) << started.error();
  }
  static void TearDownTestSuite() { rte_mempool_free(packets_); }

  CaptureSessionTest() {
    if (packets_ == nullptr) {
      packets_ =
          rte_pktmbuf_pool_create("packets", 1023, 0, 0, kFrameBytesMax + 128, SOCKET_ID_ANY);
    }
    session_->open(kLcores);
    client_ = session_->add_point(0, Side::kClient, 0);
    origin_ = session_->add_point(1, Side::kOrigin, 0);
  }

  // A frame of 10.0.0.LAST's that goes to the origin.
  static rte_mbuf* packet(uint8_t last = 7, size_t bytes = kPacketBytes) {
    FlowKey key;
    key.client = parse_network("10.0.0." + std::to_string(last))->address;
    key.client_port = 40'000;
    key.origin_port = 80;
    LinkHeader link;
    store16(link.data, 12, 0x0800);
    link.bytes = 14;
    const FrameBytes frame =
        make_frame(key, link, Side::kOrigin, SegmentFields{.flags = kAck, .timestamps = {}},
                   FrameBytes(bytes - 54, std::byte{last}));
    rte_mbuf* made = rte_pktmbuf_alloc(packets_);
    std::memcpy(rte_pktmbuf_append(made, static_cast<uint16_t>(frame.size())), frame.data(),
                frame.size());
    return made;
  }

  std::unique_ptr<PacketCapture> begin(CaptureOrder order = {}) {
    if (order.filter.client.prefix_bits == 0) {
      order.filter = parse_capture_filter("10.0.0.0/24").value();
    }
    auto capture = session_->begin(order);
    EXPECT_TRUE(capture) << capture.error();
    return std::move(*capture);
  }

  static void receive(CapturePoint& point, rte_mbuf* packet, size_t times = 1) {
    for (size_t i = 0; i < times; ++i) {
      if (point.is_on()) point.on_received({&packet, 1});
    }
    rte_pktmbuf_free(packet);
  }

  static std::vector<Block> take_all(PacketCapture& capture) {
    std::vector<std::byte> bytes;
    while (capture.take(bytes).value()) continue;
    return blocks_of(bytes);
  }

  static inline rte_mempool* packets_ = nullptr;
  std::optional<CaptureSession> session_{std::in_place};
  CapturePoint* client_ = nullptr;
  CapturePoint* origin_ = nullptr;
};

TEST_F(CaptureSessionTest, TheHeadNamesPortsAndTheCapture) {
  const auto capture = begin({.comment = "why it was made"});
  const auto blocks = take_all(*capture);
  ASSERT_EQ(blocks.size(), 3u);
  EXPECT_EQ(blocks[0].type, 0x0A0D0D0Au);
  const auto& body = blocks[0].body;
  const std::string text(reinterpret_cast<const char*>(body.data()), body.size());
  EXPECT_NE(text.find("why it was made"), std::string::npos);
  EXPECT_EQ(blocks[1].type, 1u);
  EXPECT_EQ(blocks[2].type, 1u);
}

TEST_F(CaptureSessionTest, WhatAClientSendsIsTakenWithItsTimeAndDirection) {
  using std::chrono::system_clock;
  const auto capture = begin();
  const auto before = system_clock::now().time_since_epoch().count();
  receive(*client_, packet(7));
  receive(*client_, packet(8));
  const auto after = system_clock::now().time_since_epoch().count();
  const auto frames = of_type(take_all(*capture), 6);
  ASSERT_EQ(frames.size(), 2u);
  const uint64_t time = uint64_t{frames[0].at<uint32_t>(4)} << 32 | frames[0].at<uint32_t>(8);
  EXPECT_GE(time, static_cast<uint64_t>(before));
  EXPECT_LE(time, static_cast<uint64_t>(after));
  EXPECT_EQ(frames[0].at<uint32_t>(0), 0u);  // its port
  EXPECT_EQ(frames[0].at<uint32_t>(12), kPacketBytes);
  EXPECT_EQ(frames[0].at<uint32_t>(16), kPacketBytes);
  EXPECT_EQ(frames[0].body[20 + kPacketBytes - 1], std::byte{7});
  EXPECT_EQ(frames[1].body[20 + kPacketBytes - 1], std::byte{8});
  EXPECT_EQ(frames[0].at<uint16_t>(20 + kPacketBytes), 2u);      // an option: flags
  EXPECT_EQ(frames[0].at<uint32_t>(20 + kPacketBytes + 4), 1u);  // received
  EXPECT_EQ(capture->counts().frames, 2u);
}

TEST_F(CaptureSessionTest, OthersAreLeftOut) {
  const auto capture = begin({.filter = parse_capture_filter("10.0.0.8").value()});
  receive(*client_, packet(7));
  receive(*client_, packet(8));
  receive(*origin_, packet(8));  // nobody of that name is on the other side
  EXPECT_EQ(of_type(take_all(*capture), 6).size(), 1u);
}

TEST_F(CaptureSessionTest, WhatIsLongerIsCutAndSaysHowLongItWas) {
  const auto capture = begin({.frame_bytes_max = 66});
  receive(*client_, packet(7, 1514));
  const auto frames = of_type(take_all(*capture), 6);
  ASSERT_EQ(frames.size(), 1u);
  EXPECT_EQ(frames[0].at<uint32_t>(12), 66u);
  EXPECT_EQ(frames[0].at<uint32_t>(16), 1514u);
}

TEST_F(CaptureSessionTest, TheLongestFrameFits) {
  const auto capture = begin();
  for (size_t bytes = kFrameBytesMax - 3; bytes <= kFrameBytesMax; ++bytes) {
    receive(*client_, packet(7, bytes));
  }
  EXPECT_EQ(of_type(take_all(*capture), 6).size(), 4u);
}

TEST_F(CaptureSessionTest, WhatIsSentCountsWhereItWentOutAndWasWanted) {
  for (const bool wanted : {false, true}) {
    const auto capture = begin({.sent = wanted});
    std::array<rte_mbuf*, 3> burst{packet(1), packet(2), packet(3)};
    const auto copies = origin_->copy_for_sending(burst);
    origin_->keep(copies, 2);  // the device did not take the third
    for (rte_mbuf* sent : burst) rte_pktmbuf_free(sent);
    const auto frames = of_type(take_all(*capture), 6);
    ASSERT_EQ(frames.size(), wanted ? 2u : 0u);
    if (!wanted) continue;
    EXPECT_EQ(frames[0].at<uint32_t>(0), 1u);
    EXPECT_EQ(frames[0].at<uint32_t>(20 + kPacketBytes + 4), 2u);  // sent
  }
}

TEST_F(CaptureSessionTest, WhatNobodyTakesIsLostAndCounted) {
  constexpr size_t kMore = 100;
  for (int round = 0; round < 3; ++round) {  // nothing of one is missing in the next
    const auto capture = begin();
    receive(*client_, packet(), kCapturedFramesMax + kMore);
    EXPECT_EQ(capture->counts().lost_frames, kMore);
    std::vector<std::byte> bytes;
    ASSERT_TRUE(capture->add_statistics(bytes));
    auto statistics = of_type(blocks_of(bytes), 5);
    ASSERT_EQ(statistics.size(), 2u);
    EXPECT_EQ(statistics_of(statistics[0])[4], kCapturedFramesMax + kMore);  // received
    EXPECT_EQ(statistics_of(statistics[0])[5], kMore);                       // dropped
    EXPECT_EQ(statistics_of(statistics[1])[5], 0u);
    if (round == 1) continue;  // ends with all of it untaken
    EXPECT_EQ(of_type(take_all(*capture), 6).size(), kCapturedFramesMax);
    receive(*client_, packet(), 1);
    EXPECT_EQ(of_type(take_all(*capture), 6).size(), 1u);
  }
}

TEST_F(CaptureSessionTest, NothingIsCopiedBeforeAndAfter) {
  EXPECT_FALSE(client_->is_on());
  auto capture = begin();
  EXPECT_TRUE(client_->is_on());
  capture->stop();
  EXPECT_FALSE(client_->is_on());
  EXPECT_EQ(of_type(take_all(*capture), 6).size(), 0u);
  capture.reset();
  EXPECT_FALSE(client_->is_on());
}

TEST_F(CaptureSessionTest, ACopyThatComesLateIsNotTheNextCaptures) {
  auto first = begin({.sent = true});
  rte_mbuf* sent = packet();
  const auto copies = origin_->copy_for_sending({&sent, 1});
  first.reset();
  const auto second = begin({.sent = true});
  origin_->keep(copies, 1);
  rte_pktmbuf_free(sent);
  receive(*client_, packet());
  EXPECT_EQ(of_type(take_all(*second), 6).size(), 1u);
  receive(*client_, packet(), kCapturedFramesMax);  // and its room is free again
  EXPECT_EQ(second->counts().lost_frames, 0u);
}

TEST_F(CaptureSessionTest, OneAtATime) {
  auto first = begin();
  EXPECT_FALSE(session_->begin({}));
  first.reset();
  EXPECT_TRUE(session_->begin({}));
}

TEST_F(CaptureSessionTest, LcoresCopyWhileCapturesComeAndGo) {
  std::array<CapturePoint*, 3> points{client_, session_->add_point(0, Side::kClient, 1),
                                      session_->add_point(0, Side::kClient, 2)};
  std::atomic<bool> over{false};
  std::vector<std::thread> lcores;
  for (CapturePoint* point : points) {
    lcores.emplace_back([&over, point] {
      rte_mbuf* mine = packet();
      while (!over) {
        if (point->is_on()) point->on_received({&mine, 1});
      }
      rte_pktmbuf_free(mine);
    });
  }
  uint64_t frames = 0;
  const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(20);
  for (int round = 0; round < 300 || frames < 1000; ++round) {
    if (std::chrono::steady_clock::now() > deadline) break;
    const auto capture = begin();
    std::vector<std::byte> bytes;
    for (int count = 0; count < 10; ++count) ASSERT_TRUE(capture->take(bytes));
    frames += of_type(blocks_of(bytes), 6).size();
  }
  over = true;
  for (std::thread& lcore : lcores) lcore.join();
  EXPECT_GE(frames, 1000u);
  const auto capture = begin();
  take_all(*capture);  // also what came late
  receive(*client_, packet(), kCapturedFramesMax);
  EXPECT_EQ(capture->counts().lost_frames, 0u);  // all memory has come back
}

std::chrono::nanoseconds own_cpu_time() {
  timespec time{};
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time);
  return std::chrono::seconds(time.tv_sec) + std::chrono::nanoseconds(time.tv_nsec);
}

// What an lcore spends on a burst, where there are more of them than CPUs: one that is preempted
// while it copies must not have the others spin until it goes on.
TEST_F(CaptureSessionTest, NoLcoreWaitsForAnother) {
  session_.reset();  // its memory has the same name
  FrameCapture frames;
  ASSERT_TRUE(frames.open(kLcores));
  CaptureOrder order{.frame_bytes_max = kCaptureFrameBytesMin};
  order.filter = parse_capture_filter("10.0.0.0/24").value();
  frames.begin(order);
  std::atomic<bool> over{false};
  std::array<std::chrono::nanoseconds, kLcores> longest{};
  std::vector<std::thread> lcores;
  for (unsigned index = 0; index < kLcores; ++index) {
    CapturePoint& point = frames.add_point(0, Side::kClient, index);
    lcores.emplace_back([&over, &point, &longest = longest[index]] {
      rte_thread_register();
      std::array<rte_mbuf*, kBurstFrames> burst;
      for (rte_mbuf*& one : burst) one = packet();
      while (!over) {
        const auto began = own_cpu_time();
        point.on_received(burst);
        longest = std::max(longest, own_cpu_time() - began);
      }
      rte_pktmbuf_free_bulk(burst.data(), kBurstFrames);
      rte_thread_unregister();
    });
  }
  std::array<rte_mbuf*, kBurstFrames> copies;
  const auto end = std::chrono::steady_clock::now() + std::chrono::seconds(4);
  while (std::chrono::steady_clock::now() < end) {
    rte_pktmbuf_free_bulk(copies.data(), static_cast<unsigned>(frames.take(copies)));
  }
  over = true;
  for (std::thread& lcore : lcores) lcore.join();
  for (const auto& time : longest) EXPECT_LT(time, std::chrono::milliseconds(5));
}

}  // namespace
}  // namespace soundgate::test
