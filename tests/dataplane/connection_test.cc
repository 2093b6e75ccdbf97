// Connections: how they open, what is not inspected, what was there before, and what is forged.
#include <gtest/gtest.h>

#include "dataplane/flow/checksum.h"
#include "tests/dataplane/engine_harness.h"

namespace soundgate::test {
namespace {

using std::chrono::milliseconds;

TEST(Connection, OtherTrafficPassesUnchanged) {
  Harness harness;
  std::vector<std::vector<std::byte>> frames;
  frames.emplace_back(60, std::byte{1});  // no type that we know
  frames.emplace_back(10, std::byte{2});  // shorter than a header
  frames.emplace_back(42, std::byte{0});
  store16(frames.back(), 12, 0x0806);  // ARP
  for (const Side from : {Side::kClient, Side::kOrigin}) {
    for (const auto& frame : frames) {
      harness.put_frame(from, frame);
      ASSERT_EQ(harness.seen.size(), 1u);
      EXPECT_EQ(harness.seen[0].bytes, frame);
      EXPECT_EQ(harness.seen[0].to, other(from));
      harness.seen.clear();
    }
  }
  harness.key.origin_port = 81;  // TCP that no rule concerns
  harness.client(0, kRequest);
  EXPECT_EQ(harness.take_payload(Side::kOrigin), kRequest);
  EXPECT_EQ(harness.engine().counters().flows_opened.get(), 0u);
}

TEST(Connection, BadChecksumsAreDropped) {
  Harness harness;
  harness.open();
  SegmentWriter writer;
  LinkHeader link;
  link.bytes = 14;
  link.data[12] = std::byte{8};
  const Bytes frame = writer.write(harness.key, link, Side::kOrigin,
                                   {.sequence = Harness::kClientFirst,
                                    .acknowledgment = 5'000,
                                    .flags = kAck,
                                    .window = 1,
                                    .timestamps = {}},
                                   std::as_bytes(std::span(kRequest)));
  std::vector<std::byte> bad(frame.begin(), frame.end());
  bad.at(60) ^= std::byte{1};
  harness.put_frame(Side::kClient, bad);
  EXPECT_TRUE(harness.seen.empty());
  EXPECT_EQ(harness.engine().counters().bad_checksums.get(), 1u);
}

TEST(Connection, FirstFragmentsOfInspectedConnectionsAreDroppedWhenEnforcing) {
  for (const Mode mode : {Mode::kEnforce, Mode::kObserve}) {
    DataplaneConfig config = Harness::enforcing();
    config.mode = mode;
    Harness harness(config);
    std::vector<std::byte> frame(14 + 28);
    store16(frame, 12, 0x0800);
    store16(frame, 14, 0x4500);
    store16(frame, 16, 28);
    store16(frame, 20, 0x2000);
    store16(frame, 22, 0x4006);
    store16(frame, 36, 80);
    harness.put_frame(Side::kClient, frame);
    EXPECT_EQ(harness.seen.size(), mode == Mode::kEnforce ? 0u : 1u);
  }
}

// A SYN with Multipath, Fast Open, and data.
std::vector<std::byte> loaded_syn(const FlowKey& key) {
  SegmentWriter writer;
  LinkHeader link;
  link.bytes = 14;
  link.data[12] = std::byte{8};
  const std::string data = "\x1e\x04\x01\x02\x22\x06wxyz\x01\x01GET / HTTP/1.1\r\n\r\n";
  const Bytes frame = writer.write(key, link, Side::kOrigin,
                                   {.sequence = Harness::kClientFirst - 1,
                                    .acknowledgment = 0,
                                    .flags = kSyn,
                                    .window = 1,
                                    .timestamps = {}},
                                   std::as_bytes(std::span(data)));
  std::vector<std::byte> bytes(frame.begin(), frame.end());
  store8(bytes, 34 + 12, 8 << 4);  // 12 bytes of options, the rest is data
  fix_tcp_checksum(parse_frame(bytes));
  return bytes;
}

TEST(Connection, SynsLoseWhatWouldGetAroundTheInspection) {
  Harness harness;
  harness.put_frame(Side::kClient, loaded_syn(harness.key));
  const auto syn = harness.take(Side::kOrigin);
  ASSERT_EQ(syn.size(), 1u);
  EXPECT_EQ(syn[0].frame.payload_bytes, 0);
  for (const std::byte byte : syn[0].frame.options()) EXPECT_EQ(byte, std::byte{1});
}

TEST(Connection, ForgedSynsAndResetsDoNotEndTheInspection) {
  Harness harness;
  harness.open();
  harness.client(0, kRequest.substr(0, kEnd - 4));
  harness.client(12'345, "", kSyn);     // not accepted by the origin
  harness.client(10u << 20, "", kRst);  // far outside
  harness.client(kEnd - 4, kRequest.substr(kEnd - 4));
  EXPECT_TRUE(harness.sink.records.at(0).finished);
  EXPECT_TRUE(harness.sink.records[0].reports.empty());
}

TEST(Connection, NoneOpensWithASynAckThatWasNotTaken) {
  Harness harness;
  harness.client(static_cast<uint64_t>(-1), "", kSyn);
  harness.client(999, "", kSyn);  // the origin answers the first one
  harness.take(Side::kOrigin);
  harness.origin(static_cast<uint64_t>(-1), "", 0, kSyn | kAck);
  EXPECT_TRUE(harness.take(Side::kClient).empty());
  harness.client(0, "");
  EXPECT_TRUE(harness.take(Side::kOrigin).empty());
  harness.client(0, "", kRst);
  EXPECT_EQ(harness.take(Side::kOrigin).size(), 1u);
  ++harness.key.client_port;  // nothing is known of this one
  harness.origin(static_cast<uint64_t>(-1), "", 0, kSyn | kAck);
  EXPECT_TRUE(harness.take(Side::kClient).empty());
}

TEST(Connection, AnOriginsResetCountsWhereItIsNextInOrder) {
  Harness harness;
  harness.open();
  harness.client(0, kRequest.substr(0, kEnd - 4));
  harness.origin(7, "", 0, kRst);  // it goes on to the client, who does not believe it
  EXPECT_EQ(harness.take(Side::kClient).size(), 1u);
  harness.client(kEnd - 4, kRequest.substr(kEnd - 4));
  EXPECT_TRUE(harness.sink.records.at(0).finished);
  EXPECT_TRUE(harness.sink.records[0].reports.empty());
  harness.origin(0, "", 0, kRst);
  EXPECT_EQ(harness.sink.records[0].reports.at(0).reason, DataplaneReason::origin_gone);
}

// An origin that has no socket (any more, or yet: a SYN cookie that has expired) says so with the
// number that the client acknowledged. Where that lags behind it is the client who goes: what is
// known here goes with the next connection on the ports, or for want of progress.
TEST(Connection, AnOriginWithoutASocketEndsIt) {
  const std::string response = "HTTP/1.1 100 Continue\r\n\r\n";
  for (const bool lags : {false, true}) {
    Harness harness;
    harness.open();
    harness.client(0, kRequest.substr(0, kEnd - 4));
    if (lags) harness.origin(0, response, kEnd - 4);
    harness.origin(0, "", 0, kRst);
    EXPECT_EQ(harness.sink.records.at(0).reports.size(), lags ? 0u : 1u);
    if (lags) harness.wait(kUploadIdleMax);
    ASSERT_EQ(harness.sink.records[0].reports.size(), 1u);
    EXPECT_EQ(harness.sink.records[0].reports[0].outcome, GateOutcome::kAborted);
    EXPECT_EQ(harness.engine().uploads_in_use(), 0u);
    harness.take(Side::kOrigin);
    harness.client(kEnd - 4, kRequest.substr(kEnd - 4));
    EXPECT_EQ(harness.take_payload(Side::kOrigin), "") << "a new socket would not know it";
  }
}

TEST(Connection, PortsAreUsedAgain) {
  Harness harness;
  harness.open();
  harness.client(0, kRequest.substr(0, kEnd - 4));
  const uint64_t later = 1'000'000;
  harness.client(later - 1, "", kSyn);
  harness.origin(later - 1, "", later, kSyn | kAck);
  EXPECT_EQ(harness.sink.records.at(0).reports.at(0).reason, DataplaneReason::client_gone);
  harness.client(later, kRequest, kAck, later);
  EXPECT_TRUE(harness.sink.records.at(1).finished);
  EXPECT_EQ(harness.sink.records[1].body, "0123456789");
}

TEST(Connection, FirstDataWins) {
  Harness harness;
  harness.open();
  harness.client(0, kRequest.substr(0, kEnd - 8));
  harness.client(kEnd - 4, "6789");         // out of order
  harness.client(kEnd - 10, "XXXXXXXXYZ");  // differs where bytes were seen
  EXPECT_EQ(harness.sink.records.at(0).body, "01XXXX6789");
  EXPECT_EQ(harness.reason(DataplaneReason::tcp_conflict), 1u);
  EXPECT_EQ(harness.engine().counters().conflicting_bytes.get(), 6u);
  harness.decide(false);
  const std::string head = kRequest.substr(0, kEnd - 8);
  std::string at_origin = head;  // what a receiver makes of it
  for (const Seen& one : harness.take(Side::kOrigin)) {
    const uint32_t offset = one.frame.sequence - Harness::kClientFirst;
    if (at_origin.size() < offset + one.payload().size()) {
      at_origin.resize(offset + one.payload().size());
    }
    at_origin.replace(offset, one.payload().size(), one.payload());
  }
  EXPECT_EQ(at_origin, kRequest.substr(0, kEnd - 10) + "01XXXX6789");
}

TEST(Connection, OtherProtocolsPass) {
  Harness harness;
  harness.open();
  const std::string hello = "\x16\x03\x01 hello";
  harness.client(0, hello);
  harness.client(hello.size(), kRequest);
  EXPECT_EQ(harness.take_payload(Side::kOrigin), hello + kRequest);
  EXPECT_EQ(harness.reason(DataplaneReason::not_http), 1u);
  EXPECT_TRUE(harness.sink.records.empty());
}

TEST(Connection, ConnectionsFromBeforeAreResumedAtARequest) {
  Harness harness;
  harness.client(0, "the middle of a body");
  EXPECT_EQ(harness.take_payload(Side::kOrigin), "");  // something may be missing in front of it
  harness.client_again(0, "the middle of a body");
  EXPECT_EQ(harness.take_payload(Side::kOrigin), "the middle of a body");
  EXPECT_EQ(harness.engine().counters().flows_midstream.get(), 1u);
  EXPECT_EQ(harness.reason(DataplaneReason::midstream), 1u);
  harness.client(20, kRequest);
  EXPECT_EQ(harness.engine().counters().flows_midstream.get(), 0u);
  EXPECT_TRUE(harness.sink.records.at(0).finished);
  EXPECT_EQ(harness.take_payload(Side::kOrigin), kRequest.substr(0, kEnd - 1));
}

TEST(Connection, AHeadThatItsBodyHasOvertakenIsReadFirst) {
  Harness harness;
  harness.client(kEnd - 10, "0123456789");  // a probe for lost segments sends the last one again
  harness.client(0, kRequest.substr(0, kEnd - 10));
  harness.client(kEnd - 10, "0123456789");
  EXPECT_TRUE(harness.sink.records.at(0).finished);
  EXPECT_EQ(harness.sink.records[0].body, "0123456789");
  EXPECT_EQ(harness.take_payload(Side::kOrigin), kRequest.substr(0, kEnd - 1));
}

TEST(Connection, ARequestBehindWhatWasKeptBackWaitsForIt) {
  Harness harness;
  const std::string end = "the end of a body";
  harness.client(0, end);
  harness.client(end.size(), kRequest);
  EXPECT_EQ(harness.take_payload(Side::kOrigin), "");
  harness.client(0, end);  // a copy that the network made says nothing
  EXPECT_EQ(harness.take_payload(Side::kOrigin), "");
  harness.client_again(0, end);
  harness.client(end.size(), kRequest);
  EXPECT_EQ(harness.take_payload(Side::kOrigin), end + kRequest.substr(0, kEnd - 1));
  EXPECT_TRUE(harness.sink.records.at(0).finished);
}

TEST(Connection, ALineInPiecesIsEnoughWhereTheConnectionIsAtRest) {
  Harness harness;
  harness.client(0, "body");
  harness.client_again(0, "body");
  harness.origin(0, "", 4);
  harness.client(4, "PU");
  harness.client(6, kRequest.substr(2));
  EXPECT_TRUE(harness.sink.records.at(0).finished);
}

TEST(Connection, TheirAgeIsSeen) {
  Harness harness;
  harness.client(0, "body");
  for (int i = 0; i < 4; ++i) harness.wait(std::chrono::seconds(1));
  EXPECT_GE(harness.engine().counters().oldest_midstream_ms.get(), 3'000u);
}

TEST(Connection, ConnectionsFromBeforeCanBeResetOrLeftAlone) {
  for (const MidstreamPolicy policy : {MidstreamPolicy::kReset, MidstreamPolicy::kPass}) {
    DataplaneConfig config = Harness::enforcing();
    config.midstream = policy;
    Harness harness(config);
    harness.client(0, kRequest);
    EXPECT_TRUE(harness.sink.records.empty());
    const bool resets = policy == MidstreamPolicy::kReset;
    EXPECT_EQ(harness.take_payload(Side::kOrigin), resets ? "" : kRequest);
    EXPECT_EQ(harness.take(Side::kClient).size(), resets ? 1u : 0u);
  }
}

// As many connections as the table has room for.
void fill_table(Harness& harness) {
  for (uint16_t i = 0; i < 8; ++i) {
    harness.key.client_port = static_cast<uint16_t>(50'000 + i);
    harness.open();
  }
  harness.key.client_port = 60'000;
}

TEST(Connection, AFullTableLetsConnectionsPassCounted) {
  Harness harness;
  fill_table(harness);
  harness.client(static_cast<uint64_t>(-1), "", kSyn);
  EXPECT_EQ(harness.take(Side::kOrigin).size(), 1u);
  EXPECT_EQ(harness.reason(DataplaneReason::flow_table_full), 1u);
  harness.origin(static_cast<uint64_t>(-1), "", 0, kSyn | kAck);
  EXPECT_EQ(harness.take(Side::kClient).size(), 1u);
}

TEST(Connection, AFullTableCanKeepConnectionsFromOpening) {
  DataplaneConfig config = Harness::enforcing();
  config.fail_policy = default_fail_policy();
  config.fail_policy[static_cast<size_t>(DataplaneReason::flow_table_full)] = FailAction::kBlock;
  Harness harness(config);
  fill_table(harness);
  harness.client(static_cast<uint64_t>(-1), "", kSyn);
  EXPECT_TRUE(harness.take(Side::kOrigin).empty());
  harness.origin(static_cast<uint64_t>(-1), "", 0, kSyn | kAck);
  EXPECT_TRUE(harness.take(Side::kClient).empty());
  harness.client(0, kRequest);
  EXPECT_TRUE(harness.take(Side::kOrigin).empty());
}

TEST(Connection, SynsThatNobodyAnswersMakeRoom) {
  Harness harness;
  for (uint16_t i = 0; i < 20; ++i) {
    harness.key.client_port = static_cast<uint16_t>(50'000 + i);
    harness.client(static_cast<uint64_t>(-1), "", kSyn);
  }
  EXPECT_EQ(harness.take(Side::kOrigin).size(), 20u);
  EXPECT_EQ(harness.reason(DataplaneReason::flow_table_full), 0u);
  harness.key.client_port = 50'000;  // its entry is another's by now: it has to try again
  harness.origin(static_cast<uint64_t>(-1), "", 0, kSyn | kAck);
  EXPECT_TRUE(harness.take(Side::kClient).empty());
  harness.open();
  harness.client(0, kRequest);
  EXPECT_EQ(harness.take_payload(Side::kOrigin), kRequest.substr(0, kEnd - 1));
}

TEST(Connection, HalfOpenConnectionsDoNotFillTheTableForLong) {
  Harness harness;
  harness.client(static_cast<uint64_t>(-1), "", kSyn);
  harness.origin(static_cast<uint64_t>(-1), "", 0, kSyn | kAck);
  harness.client(0, "", kAck, 77);  // acknowledges what was never sent: not the real client
  harness.seen.clear();
  harness.wait(kFlowOpeningMax + milliseconds(10));
  EXPECT_EQ(harness.engine().counters().flows_open.get(), 0u);
  const auto to_origin = harness.take(Side::kOrigin);
  ASSERT_EQ(to_origin.size(), 1u);
  EXPECT_TRUE(to_origin[0].frame.has(kRst));
  EXPECT_EQ(to_origin[0].frame.sequence, Harness::kClientFirst);
  harness.open();
  harness.wait(kFlowOpeningMax + milliseconds(10));
  EXPECT_EQ(harness.engine().counters().flows_open.get(), 1u);
}

TEST(Connection, MoreBytesThanThereIsRoomForAreNotForwarded) {
  Harness harness(Harness::enforcing(), {.flows = 8, .buffers = 8, .heads = 4, .uploads = 4});
  harness.open();
  const std::string request = put_request(std::string(100'000, 'x'));
  for (size_t at = 0; at + 1'000 <= request.size(); at += 1'000) {
    harness.client(at, request.substr(at, 1'000));
  }
  EXPECT_LT(harness.take_payload(Side::kOrigin).size(), 8 * kBufferBytes);
  EXPECT_GT(harness.engine().counters().segments_refused.get(), 50u);
  EXPECT_TRUE(harness.sink.records.at(0).reports.empty());  // it is only slowed down
}

TEST(Connection, ConnectionsThatStandStillAreForgottenOrEnded) {
  Harness harness;
  harness.open();
  harness.client(0, kRequest.substr(0, kEnd - 4));
  harness.seen.clear();
  harness.wait(kUploadIdleMax + milliseconds(10));
  EXPECT_EQ(harness.sink.records.at(0).reports.at(0).outcome, GateOutcome::kAborted);
  EXPECT_TRUE(harness.take(Side::kOrigin).at(0).frame.has(kRst));
  harness.client(kEnd - 4, kRequest.substr(kEnd - 4));  // not unseen, now that it is over
  EXPECT_EQ(harness.take_payload(Side::kOrigin), "");
}

}  // namespace
}  // namespace soundgate::test
