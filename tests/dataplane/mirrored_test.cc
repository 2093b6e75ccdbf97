// What a tap and a replay make of copies of packets: which way they go, and what is missing.
#include <gtest/gtest.h>

#include "tests/dataplane/engine_harness.h"

namespace soundgate::test {
namespace {

constexpr auto kPushed = kAck | kPsh;

class MirrorHarness : public Harness {
 public:
  explicit MirrorHarness(std::vector<uint16_t> ports = {80}, Placement placement = Placement::kTap)
      : Harness(mirroring(std::move(ports), placement)) {}

  static DataplaneConfig mirroring(std::vector<uint16_t> ports, Placement placement) {
    DataplaneConfig config;
    config.placement = placement;
    config.mode = Mode::kEnforce;  // means nothing here
    config.inspect = {InspectRule{std::move(ports), {}, {}, {}, 0}};
    return config;
  }

  // Both directions come in on one port.
  void deliver(Side, MutableBytes bytes) override { engine().on_mirrored_frame(bytes); }

  std::string body() const { return sink.records.empty() ? "" : sink.records.back().body; }
};

TEST(Mirrored, AnUploadIsFollowedAndOnlyObserved) {
  MirrorHarness tap;
  tap.open();
  tap.client(0, kRequest, kPushed);
  tap.origin(0, "HTTP/1.1 201 Created\r\nContent-Length: 0\r\n\r\n", kEnd);
  ASSERT_EQ(tap.sink.records.size(), 1u);
  EXPECT_EQ(tap.sink.records[0].mode, Mode::kObserve);
  EXPECT_EQ(tap.body(), "0123456789");
  ASSERT_EQ(tap.sink.records[0].reports.size(), 1u);
  EXPECT_EQ(tap.sink.records[0].reports[0].outcome, GateOutcome::kReleasedUnasked);
  EXPECT_EQ(tap.sink.records[0].reports[0].reason, DataplaneReason::kNone);
  tap.engine().set_mode(Mode::kEnforce);
  tap.client(kEnd, kRequest, kPushed);
  EXPECT_EQ(tap.sink.records.back().mode, Mode::kObserve);
}

TEST(Mirrored, WhereAnyPortIsInspectedTheSynTells) {
  MirrorHarness tap(std::vector<uint16_t>{});
  tap.open();
  tap.client(0, kRequest, kPushed);
  EXPECT_EQ(tap.body(), "0123456789");
  EXPECT_EQ(tap.sink.records.back().client, "10.0.0.1:40000");
}

TEST(Mirrored, WhereTheBeginningWasNotSeenTheSmallerPortIsTheOrigin) {
  MirrorHarness tap(std::vector<uint16_t>{});
  tap.origin(0, "", 0);
  tap.client(0, kRequest, kPushed);
  EXPECT_EQ(tap.body(), "0123456789");
}

TEST(Mirrored, AcknowledgmentsNeedNotBeSeen) {
  MirrorHarness tap;
  tap.open();
  const std::string body(100'000, 'x');
  const std::string request = put_request(body);
  for (size_t at = 0; at < request.size(); at += 1'000) {
    tap.client(at, std::string_view(request).substr(at, 1'000));
    EXPECT_LE(tap.engine().buffers_in_use(), 1u);
  }
  EXPECT_EQ(tap.body(), body);
}

TEST(Mirrored, BytesThatTheOriginHasAndNobodySawAreAGap) {
  MirrorHarness tap;
  tap.open();
  tap.client(0, kRequest.substr(0, kEnd - 5), kPushed);  // 5 bytes of the body are lost
  tap.origin(0, "", kEnd);
  EXPECT_TRUE(tap.sink.records[0].reports.empty()) << "copies may overtake each other";
  tap.wait(2s);
  tap.origin(0, "HTTP/1.1 201 Created\r\nContent-Length: 0\r\n\r\n", kEnd);
  ASSERT_EQ(tap.sink.records[0].reports.size(), 1u);
  EXPECT_EQ(tap.sink.records[0].reports[0].reason, DataplaneReason::capture_gap);
  EXPECT_EQ(tap.engine().buffers_in_use(), 0u);
  // The next request on the connection is read again.
  tap.client(kEnd, kRequest, kPushed);
  EXPECT_EQ(tap.sink.records.size(), 2u);
  EXPECT_EQ(tap.body(), "0123456789");
}

TEST(Mirrored, CopiesThatComeLateAreNoGap) {
  MirrorHarness tap;
  tap.open();
  tap.client(0, kRequest.substr(0, kEnd - 5), kPushed);
  tap.origin(0, "", kEnd);
  tap.wait(500ms);
  tap.client(kEnd - 5, kRequest.substr(kEnd - 5), kPushed);
  tap.wait(2s);
  tap.origin(0, "", kEnd);
  EXPECT_EQ(tap.body(), "0123456789");
  EXPECT_EQ(tap.sink.records[0].reports[0].reason, DataplaneReason::kNone);
}

TEST(Mirrored, AConnectionThatEndsWithAGapSaysSo) {
  MirrorHarness tap;
  tap.open();
  tap.client(0, kRequest.substr(0, kEnd - 5), kPushed);
  tap.client(kEnd, "", kAck | kFin);
  tap.origin(0, "", kEnd + 1, kAck | kFin);
  tap.client(kEnd + 1, "", kAck, 1);
  ASSERT_EQ(tap.sink.records[0].reports.size(), 1u);
  EXPECT_EQ(tap.sink.records[0].reports[0].reason, DataplaneReason::capture_gap);
}

TEST(Mirrored, BytesBehindAGapDoNotFillTheMemory) {
  MirrorHarness tap;
  tap.open();
  const std::string request = put_request(std::string(4'000'000, 'x'));
  tap.client(0, std::string_view(request).substr(0, 1'000));
  for (size_t at = 2'000; at < request.size(); at += 1'000) {
    tap.client(at, std::string_view(request).substr(at, 1'000));
  }
  ASSERT_EQ(tap.sink.records[0].reports.size(), 1u);
  EXPECT_EQ(tap.sink.records[0].reports[0].reason, DataplaneReason::capture_gap);
  EXPECT_EQ(tap.engine().buffers_in_use(), 0u);
}

TEST(Mirrored, AReplayTakesFramesBeforeTheirChecksums) {
  for (const Placement placement : {Placement::kReplay, Placement::kTap}) {
    MirrorHarness mirror(std::vector<uint16_t>{80}, placement);
    mirror.spoils_checksums = true;
    mirror.open();
    mirror.client(0, kRequest, kPushed);
    EXPECT_EQ(mirror.body(), placement == Placement::kReplay ? "0123456789" : "");
  }
}

}  // namespace
}  // namespace soundgate::test
