// TCP segments in IP fragments, and behind IPv6 extension headers.
#include <gtest/gtest.h>

#include "tests/dataplane/engine_harness.h"
#include "tests/dataplane/frame_maker.h"

namespace soundgate::test {
namespace {

const std::string kButTheLast = kRequest.substr(0, kEnd - 1);

LinkHeader untagged(bool ipv6) {
  LinkHeader link;
  link.bytes = 14;
  store16(link.data, 12, ipv6 ? 0x86DD : 0x0800);
  return link;
}

FrameBytes client_frame(const Harness& harness, uint64_t offset, std::string_view payload) {
  return make_frame(harness.key, untagged(harness.key.ipv6), Side::kOrigin,
                    {.sequence = Harness::kClientFirst + static_cast<uint32_t>(offset),
                     .acknowledgment = Harness::kOriginFirst,
                     .flags = kAck,
                     .window = 500,
                     .timestamps = {}},
                    std::as_bytes(std::span(payload)));
}

DataplaneConfig with_policy(Mode mode, FailAction action) {
  DataplaneConfig config = Harness::enforcing();
  config.mode = mode;
  config.fail_policy = default_fail_policy();
  config.fail_policy[static_cast<size_t>(DataplaneReason::ip_fragments)] = action;
  return config;
}

void put_fragments(Harness& harness, const FrameBytes& frame, size_t first_units = 3) {
  const auto pieces = harness.key.ipv6 ? in_ipv6_fragments(frame, first_units)
                                       : in_ipv4_fragments(frame, first_units);
  for (const FrameBytes& piece : pieces) harness.put_frame(Side::kClient, piece);
}

TEST(Fragments, AreBlockedByDefaultAndCounted) {
  for (const bool ipv6 : {false, true}) {
    for (const size_t first_units : {1u, 3u}) {
      Harness harness;
      harness.key.ipv6 = ipv6;
      if (ipv6) harness.speak_ipv6();
      harness.open();
      harness.client(0, kRequest.substr(0, kEnd - 6));
      harness.seen.clear();
      put_fragments(harness, client_frame(harness, kEnd - 6, "456789"), first_units);
      ASSERT_EQ(harness.seen.size(), 1u) << "only the second piece, which is nothing alone";
      EXPECT_EQ(harness.reason(DataplaneReason::ip_fragments), 1u);
      EXPECT_EQ(harness.engine().counters().segments_refused.get(), 1u);
      EXPECT_TRUE(harness.sink.records.at(0).reports.empty());
      harness.seen.clear();
      harness.client(kEnd - 6, "456789");  // whole, it goes on
      EXPECT_TRUE(harness.sink.records[0].finished);
      EXPECT_EQ(harness.take_payload(Side::kOrigin), "45678");
    }
  }
}

TEST(Fragments, ThatMayPassEndTheInspectionWithTheirReason) {
  struct Case {
    Mode mode;
    FailAction action;
  };
  for (const Case& one :
       {Case{Mode::kEnforce, FailAction::kFlag}, Case{Mode::kObserve, FailAction::kBlock}}) {
    Harness harness(with_policy(one.mode, one.action));
    harness.open();
    harness.client(0, kRequest.substr(0, kEnd - 6));
    harness.seen.clear();
    put_fragments(harness, client_frame(harness, kEnd - 6, "456789"));
    EXPECT_EQ(harness.seen.size(), 2u);
    const auto& record = harness.sink.records.at(0);
    ASSERT_EQ(record.reports.size(), 1u);
    EXPECT_EQ(record.reports[0].reason, DataplaneReason::ip_fragments);
    EXPECT_EQ(record.reports[0].outcome, GateOutcome::kReleasedUnasked);
    EXPECT_EQ(harness.reason(DataplaneReason::ip_fragments), 1u);
    EXPECT_EQ(harness.engine().buffers_in_use(), 0u);
    EXPECT_EQ(harness.engine().counters().flows_midstream.get(), 1u);
    harness.origin(0, "", kEnd);
    harness.client(kEnd, kRequest);  // the next request is inspected again
    EXPECT_EQ(harness.sink.records.size(), 2u);
  }
}

TEST(Fragments, LetNothingPastARefusal) {
  Harness harness(with_policy(Mode::kEnforce, FailAction::kFlag));
  harness.open();
  harness.client(0, kRequest);
  harness.decide(true);
  harness.seen.clear();
  put_fragments(harness, client_frame(harness, kEnd - 1, "9"), 1);
  EXPECT_EQ(harness.seen.size(), 1u);
}

TEST(Fragments, FarAwayEndNoInspection) {
  for (const Mode mode : {Mode::kEnforce, Mode::kObserve}) {
    Harness harness(with_policy(mode, FailAction::kFlag));
    harness.open();
    harness.client(0, kRequest.substr(0, kEnd - 6));
    put_fragments(harness, client_frame(harness, 100u << 20, "forged"));
    EXPECT_TRUE(harness.sink.records.at(0).reports.empty());
    harness.client(kEnd - 6, "456789");
    EXPECT_TRUE(harness.sink.records[0].finished);
  }
}

TEST(Fragments, OfOtherTrafficPass) {
  Harness harness;
  harness.key.origin_port = 81;
  put_fragments(harness, client_frame(harness, 0, kRequest));
  EXPECT_EQ(harness.seen.size(), 2u);
  EXPECT_EQ(harness.reason(DataplaneReason::ip_fragments), 0u);
}

TEST(Fragments, AnAtomicOneIsASegment) {
  Harness harness;
  harness.key.ipv6 = true;
  harness.speak_ipv6();
  harness.open();
  FrameBytes frame = client_frame(harness, 0, kRequest);
  FrameBytes header(8);
  store8(header, 0, 6);
  frame.insert(frame.begin() + 54, header.begin(), header.end());
  store8(frame, 14 + 6, 44);
  fix_lengths(frame, 14);
  harness.put_frame(Side::kClient, frame);
  EXPECT_TRUE(harness.sink.records.at(0).finished);
  harness.seen.clear();
  harness.put_frame(Side::kClient, frame);
  EXPECT_EQ(harness.take_payload(Side::kOrigin), kButTheLast);
}

// Hop-by-hop options, destination options and a routing header that has been gone through.
TEST(ExtensionHeaders, HideNoUpload) {
  Harness harness;
  harness.key.ipv6 = true;
  harness.speak_ipv6();
  harness.open();
  FrameBytes frame = client_frame(harness, 0, kRequest);
  const uint8_t kinds[] = {0, 60, 43};
  FrameBytes headers(24);
  for (size_t i = 0; i < 3; ++i) {
    store8(headers, 8 * i, i + 1 < 3 ? kinds[i + 1] : 6);
    if (kinds[i] != 43) store16(headers, 8 * i + 2, 0x0104);  // padding
  }
  frame.insert(frame.begin() + 54, headers.begin(), headers.end());
  store8(frame, 14 + 6, kinds[0]);
  fix_lengths(frame, 14);
  harness.put_frame(Side::kClient, frame);
  EXPECT_TRUE(harness.sink.records.at(0).finished);
  EXPECT_EQ(harness.take_payload(Side::kOrigin), kButTheLast);
  harness.decide(true);
  EXPECT_TRUE(harness.take_payload(Side::kClient).starts_with("HTTP/1.1 403"));
}

}  // namespace
}  // namespace soundgate::test
