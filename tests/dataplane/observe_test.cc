// Observe mode: whatever happens, the traffic is what it would be without us.
#include <gtest/gtest.h>

#include "tests/dataplane/engine_harness.h"

namespace soundgate::test {
namespace {

using std::chrono::milliseconds;

TEST(Observe, HalfSentHeadsCostNobodyTheConnection) {
  Harness harness(Harness::observing());
  for (uint16_t i = 0; i < 6; ++i) {
    harness.key.client_port = static_cast<uint16_t>(50'000 + i);
    harness.open();
    harness.client(0, "PU");
    EXPECT_EQ(harness.take_payload(Side::kOrigin), "PU");
    harness.wait(milliseconds(700));
  }
  for (uint16_t i = 0; i < 6; ++i) {
    harness.key.client_port = static_cast<uint16_t>(50'000 + i);
    harness.client(2, kRequest.substr(2));
    EXPECT_EQ(harness.take_payload(Side::kOrigin), kRequest.substr(2));
    EXPECT_TRUE(harness.take(Side::kClient).empty());
  }
  ASSERT_EQ(harness.sink.records.size(), 6u);  // also those that had no room
  const uint64_t unread = harness.reason(DataplaneReason::overload);
  EXPECT_EQ(unread, 2u);
  for (const auto& record : harness.sink.records) {
    EXPECT_EQ(record.method, "PUT");
    EXPECT_EQ(record.body_bytes, 10);
    EXPECT_EQ(record.reports.at(0).reason == DataplaneReason::overload, record.path.empty());
  }
  EXPECT_EQ(harness.engine().heads_in_use(), 0u);
}

TEST(Observe, BytesFarAheadGoOn) {
  Harness harness(Harness::observing());
  harness.open();
  harness.client(0, put_request(std::string(20'000'000, 'x')).substr(0, 1'000));
  harness.seen.clear();
  harness.client(9u << 20, "far ahead");
  EXPECT_EQ(harness.take_payload(Side::kOrigin), "far ahead");
  EXPECT_EQ(harness.sink.records.at(0).reports.at(0).reason, DataplaneReason::tcp_window_full);
}

TEST(Observe, WhatMakesNoSenseGoesOn) {
  Harness harness(Harness::observing());
  harness.open();
  harness.client(0, kRequest, kAck | kFin);
  harness.seen.clear();
  harness.client(kEnd, "behind the end");
  EXPECT_EQ(harness.take_payload(Side::kOrigin), "behind the end");
  harness.client(kEnd - 1, "9", 0);
  EXPECT_EQ(harness.take_payload(Side::kOrigin), "9");
}

TEST(Observe, ResetsGoOnAsTheyAre) {
  Harness harness(Harness::observing());
  harness.open();
  harness.client(0, kRequest.substr(0, kEnd - 4));
  harness.seen.clear();
  harness.client(10u << 20, "", kRst);
  harness.client(kEnd, "", kRst);
  const auto resets = harness.take(Side::kOrigin);
  ASSERT_EQ(resets.size(), 2u);
  EXPECT_EQ(resets[0].frame.sequence, Harness::kClientFirst + (10u << 20));
  EXPECT_EQ(resets[1].frame.sequence, Harness::kClientFirst + static_cast<uint32_t>(kEnd));
  EXPECT_EQ(harness.sink.records.at(0).reports.at(0).reason, DataplaneReason::client_gone);
  harness.client(kEnd - 4, "6789");  // the origin did not believe it
  EXPECT_EQ(harness.take_payload(Side::kOrigin), "6789");
}

TEST(Observe, AConnectionWhoseSynAckTookAnotherWayOpens) {
  Harness harness(Harness::observing());
  harness.client(static_cast<uint64_t>(-1), "", kSyn);
  harness.seen.clear();
  harness.client(0, "");
  EXPECT_EQ(harness.take(Side::kOrigin).size(), 1u);
  harness.client(0, kRequest);
  EXPECT_EQ(harness.take_payload(Side::kOrigin), kRequest);
  EXPECT_TRUE(harness.sink.records.at(0).finished);
}

TEST(Observe, WhatCannotBeReadIsReportedAndPasses) {
  Harness harness(Harness::observing());
  harness.open();
  const std::string request = put_request("0123456789", "Content-Type: multipart/mixed\r\n");
  harness.client(0, request + kRequest);
  EXPECT_EQ(harness.take_payload(Side::kOrigin), request + kRequest);
  EXPECT_EQ(harness.sink.records.at(0).reports.at(0).reason, DataplaneReason::http_unsupported);
  EXPECT_EQ(harness.sink.records.at(1).reports.at(0).reason, DataplaneReason::kNone);
}

// An upload keeps the mode that it began in, also when it stands still.
TEST(Observe, AnIdleUploadIsForgottenWhateverTheModeIsNow) {
  Harness harness(Harness::observing());
  harness.open();
  harness.client(0, kRequest.substr(0, kEnd - 4));
  harness.engine().set_mode(Mode::kEnforce);
  harness.seen.clear();
  harness.wait(kUploadIdleMax + milliseconds(10));
  EXPECT_TRUE(harness.seen.empty());
  EXPECT_EQ(harness.sink.records.at(0).reports.at(0).reason, DataplaneReason::client_gone);
}

}  // namespace
}  // namespace soundgate::test
