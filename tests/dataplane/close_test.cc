// How connections end: FIN and RST of either end, in any order.
#include <gtest/gtest.h>

#include <algorithm>

#include "tests/dataplane/engine_harness.h"

namespace soundgate::test {
namespace {

using std::chrono::milliseconds;
using std::chrono::minutes;

const std::string kButTheLast = kRequest.substr(0, kEnd - 1);
const std::string kResponse = "HTTP/1.1 201 Created\r\nContent-Length: 2\r\n\r\nok";
const std::string kChunkedHead =
    "PUT /x HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nabcd\r\n";

void expect_nothing_left(Harness& harness) {
  for (int i = 0; i < 130; ++i) harness.wait(minutes(1));
  EXPECT_EQ(harness.engine().buffers_in_use(), 0u);
  EXPECT_EQ(harness.engine().uploads_in_use(), 0u);
  EXPECT_EQ(harness.engine().heads_in_use(), 0u);
  EXPECT_EQ(harness.engine().counters().flows_open.get(), 0u);
}

TEST(Close, AClientThatHasHalfClosedReadsItsResponse) {
  Harness harness;
  harness.open();
  harness.client(0, kButTheLast);
  harness.client(kEnd - 1, "9", kAck | kFin);
  for (const Seen& one : harness.take(Side::kOrigin)) EXPECT_FALSE(one.frame.has(kFin));
  harness.decide(false);
  const auto released = harness.take(Side::kOrigin);
  ASSERT_EQ(released.size(), 2u);
  EXPECT_EQ(released[0].payload(), "9");
  EXPECT_TRUE(released[1].frame.has(kFin));
  EXPECT_EQ(released[1].frame.sequence, Harness::kClientFirst + static_cast<uint32_t>(kEnd));
  harness.origin(0, kResponse, kEnd + 1, kAck | kFin);
  EXPECT_EQ(harness.take_payload(Side::kClient), kResponse);
  harness.client(kEnd + 1, "", kAck, kResponse.size() + 1);
  EXPECT_EQ(harness.engine().counters().flows_open.get(), 0u);
  EXPECT_EQ(harness.sink.records.at(0).reports.at(0).outcome, GateOutcome::kReleased);
}

TEST(Close, AClientThatHasHalfClosedReadsItsRefusal) {
  Harness harness;
  harness.open();
  harness.client(0, kRequest, kAck | kFin);
  harness.take(Side::kOrigin);
  harness.decide(true);
  const auto answer = harness.take(Side::kClient);
  ASSERT_FALSE(answer.empty());
  EXPECT_TRUE(answer[0].payload().starts_with("HTTP/1.1 403"));
  EXPECT_EQ(answer[0].frame.acknowledgment,
            Harness::kClientFirst + static_cast<uint32_t>(kEnd) + 1);  // its FIN too
  for (const Seen& one : harness.take(Side::kOrigin)) EXPECT_TRUE(one.frame.has(kRst));
  expect_nothing_left(harness);
}

TEST(Close, BothAtOnce) {
  Harness harness;
  harness.open();
  harness.client(0, kRequest);
  harness.decide(false);
  harness.origin(0, kResponse, kEnd);
  harness.client(kEnd, "", kAck, kResponse.size());
  harness.seen.clear();
  harness.client(kEnd, "", kAck | kFin, kResponse.size());
  harness.origin(kResponse.size(), "", kEnd, kAck | kFin);
  EXPECT_EQ(harness.take(Side::kOrigin).size(), 1u);
  EXPECT_EQ(harness.take(Side::kClient).size(), 1u);
  EXPECT_EQ(harness.engine().counters().flows_open.get(), 1u);
  harness.client(kEnd + 1, "", kAck, kResponse.size() + 1);
  harness.origin(kResponse.size() + 1, "", kEnd + 1);
  EXPECT_EQ(harness.engine().counters().flows_open.get(), 0u);
  harness.client(kEnd + 1, "", kAck, kResponse.size() + 1);  // what is still on its way goes on
  EXPECT_EQ(harness.take(Side::kOrigin).size(), 2u);
}

TEST(Close, AFinThatComesBeforeItsDataWaits) {
  Harness harness;
  harness.open();
  harness.client(0, kRequest.substr(0, kEnd - 6));
  harness.seen.clear();
  harness.client(kEnd, "", kAck | kFin);
  EXPECT_TRUE(harness.take(Side::kOrigin).empty());
  harness.client(kEnd - 3, "789");
  harness.client(kEnd - 6, "456");
  EXPECT_TRUE(harness.sink.records.at(0).finished);
  EXPECT_EQ(harness.take_payload(Side::kOrigin).find('9'), std::string::npos);
  harness.decide(false);
  const auto released = harness.take(Side::kOrigin);
  ASSERT_FALSE(released.empty());
  EXPECT_TRUE(released.back().frame.has(kFin));
}

// Some origins take "0" and the end of the connection for a whole body.
TEST(Close, AFinDoesNotReleaseTheZeroOfALastChunk) {
  for (const std::string end : {"0", "0\r", "00"}) {
    Harness harness;
    harness.open();
    harness.client(0, kChunkedHead);
    EXPECT_EQ(harness.take_payload(Side::kOrigin), kChunkedHead);
    harness.client(kChunkedHead.size(), end, kAck | kFin);
    EXPECT_EQ(harness.sink.records.at(0).reports.at(0).reason, DataplaneReason::client_gone);
    const auto to_origin = harness.take(Side::kOrigin);
    ASSERT_FALSE(to_origin.empty());
    for (const Seen& one : to_origin) {
      EXPECT_TRUE(one.frame.has(kRst));
      EXPECT_EQ(one.payload(), "");
    }
    harness.client(kChunkedHead.size(), end, kAck | kFin);
    EXPECT_EQ(harness.take_payload(Side::kOrigin), "");
    expect_nothing_left(harness);
  }
}

// tail_bytes is for origins that make use of bodies that are cut short.
TEST(Close, AFinDoesNotReleaseWhatIsHeldOfALongTail) {
  DataplaneConfig config = Harness::enforcing();
  config.tail_bytes = 5;
  Harness harness(config);
  harness.open();
  harness.client(0, kButTheLast, kAck | kFin);
  const auto to_origin = harness.take(Side::kOrigin);
  ASSERT_GE(to_origin.size(), 1u);
  for (const Seen& one : to_origin) EXPECT_EQ(one.payload().find("5678"), std::string::npos);
  EXPECT_TRUE(to_origin.back().frame.has(kRst));
}

// Every order of what may end a connection, in three states of an upload.
TEST(Close, InAnyOrderNothingLeaksAndNothingStays) {
  std::vector<int> order{0, 1, 2, 3, 4, 5};
  do {
    for (const uint64_t sent : {kEnd - 4, kEnd - 1, kEnd}) {
      Harness harness;
      harness.open();
      harness.client(0, kRequest.substr(0, sent));
      for (const int event : order) {
        const uint64_t taken = std::min(sent, kEnd - 1);  // the last byte is not there yet
        if (event == 0) harness.client(sent, "", kAck | kFin);
        if (event == 1) harness.origin(0, "", taken, kAck | kFin);
        if (event == 2) harness.client(sent + 1, "", kAck, 1);
        if (event == 3) harness.origin(1, "", taken == sent ? sent + 1 : taken);
        if (event == 4) harness.client(sent, "", kRst);
        if (event == 5) harness.origin(0, "", taken, kRst | kAck);
      }
      harness.client(kEnd - 1, "9");
      EXPECT_EQ(harness.take_payload(Side::kOrigin).find('9'), std::string::npos);
      expect_nothing_left(harness);
      ASSERT_EQ(harness.sink.records.at(0).reports.size(), 1u);
      ASSERT_FALSE(testing::Test::HasFailure()) << testing::PrintToString(order) << " at " << sent;
    }
  } while (std::ranges::next_permutation(order).found);
}

TEST(Close, PortsAreUsedAgainAfterTheyWereClosed) {
  Harness harness;
  harness.open();
  harness.client(0, kRequest);
  harness.decide(false);
  harness.origin(0, kResponse, kEnd);
  harness.client(kEnd, "", kAck | kFin, kResponse.size());
  harness.origin(kResponse.size(), "", kEnd + 1, kAck | kFin);
  harness.client(kEnd + 1, "", kAck, kResponse.size() + 1);
  const uint64_t later = 70'000;  // what a host in TIME_WAIT takes for newer
  harness.seen.clear();
  harness.client(later - 1, "", kSyn);
  EXPECT_EQ(harness.take(Side::kOrigin).size(), 1u);
  harness.origin(later - 1, "", later, kSyn | kAck);
  harness.client(later, kRequest, kAck, later);
  EXPECT_EQ(harness.take_payload(Side::kOrigin), kButTheLast);
  ASSERT_EQ(harness.sink.records.size(), 2u);
  EXPECT_TRUE(harness.sink.records[1].finished);
}

// The origin answers with a challenge, and the client resets what was left of the old connection.
TEST(Close, ASynOnAnOpenConnectionIsForTheOriginToJudge) {
  Harness harness;
  harness.open();
  harness.client(0, kRequest.substr(0, kEnd - 4));
  harness.client(900'000, "", kSyn);
  harness.seen.clear();
  harness.origin(0, "", kEnd - 4);  // a challenge
  EXPECT_EQ(harness.take(Side::kClient).size(), 1u);
  harness.client(kEnd - 4, "", kRst);
  EXPECT_TRUE(harness.take(Side::kOrigin).at(0).frame.has(kRst));
  harness.client(900'000, "", kSyn);
  EXPECT_EQ(harness.take(Side::kOrigin).size(), 1u);
  harness.origin(700, "", 900'001, kSyn | kAck);
  harness.client(900'001, kRequest, kAck, 701);
  EXPECT_EQ(harness.take_payload(Side::kOrigin), kButTheLast);
}

}  // namespace
}  // namespace soundgate::test
