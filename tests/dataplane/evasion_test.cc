// Ways around the inspection that were found and closed, in enforce mode.
#include <gtest/gtest.h>

#include "tests/dataplane/engine_harness.h"

namespace soundgate::test {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

const std::string kButTheLast = kRequest.substr(0, kEnd - 1);
constexpr uint16_t kAttacker = 50'000;
constexpr uint16_t kVictim = 40'000;

// As many half heads as there is room for.
void take_all_heads(Harness& harness) {
  for (uint16_t i = 0; i < 4; ++i) {
    harness.key.client_port = static_cast<uint16_t>(kAttacker + i);
    harness.open();
    harness.client(0, "P");
    harness.wait(milliseconds(10));
  }
  harness.key.client_port = kVictim;
  harness.open();
}

TEST(Evasion, AHeadThatComesWholeNeedsNoRoom) {
  Harness harness;
  take_all_heads(harness);
  harness.client(0, kRequest);
  EXPECT_EQ(harness.take_payload(Side::kOrigin), kButTheLast);
  EXPECT_TRUE(harness.sink.records.at(0).finished);
  EXPECT_EQ(harness.reason(DataplaneReason::overload), 0u);
}

TEST(Evasion, TheOldestOfTooManyHalfHeadsIsEnded) {
  Harness harness;
  take_all_heads(harness);
  harness.wait(kHeadAgeMin);
  harness.seen.clear();
  harness.client(0, kRequest.substr(0, 20));
  const auto resets = harness.take(Side::kOrigin);
  ASSERT_GE(resets.size(), 2u);
  EXPECT_TRUE(resets[0].frame.has(kRst));
  EXPECT_EQ(resets[0].frame.source_port, kAttacker);
  EXPECT_EQ(resets.back().payload(), kRequest.substr(0, 20));
  EXPECT_EQ(harness.reason(DataplaneReason::overload), 1u);
  harness.client(20, kRequest.substr(20));
  EXPECT_EQ(harness.take_payload(Side::kOrigin), kRequest.substr(20, kEnd - 21));
  harness.key.client_port = kAttacker;
  harness.client(1, kRequest.substr(1));  // it gains nothing for itself either
  EXPECT_EQ(harness.take_payload(Side::kOrigin), "");
}

TEST(Evasion, AmongYoungHalfHeadsARequestWaitsForRoom) {
  Harness harness;
  take_all_heads(harness);
  harness.seen.clear();
  harness.client(0, kRequest.substr(0, 20));
  EXPECT_EQ(harness.take_payload(Side::kOrigin), "");
  harness.wait(kHeadAgeMin);
  harness.client(0, kRequest.substr(0, 20));  // sent again
  EXPECT_EQ(harness.take_payload(Side::kOrigin), kRequest.substr(0, 20));
  harness.client(20, kRequest.substr(20));
  EXPECT_EQ(harness.take_payload(Side::kOrigin), kRequest.substr(20, kEnd - 21));
  EXPECT_EQ(harness.sink.records.at(0).body, "0123456789");
}

TEST(Evasion, AmongYoungHalfHeadsTheRestOfTheRequestIsEnoughToo) {
  Harness harness;
  take_all_heads(harness);
  harness.seen.clear();
  harness.client(0, kRequest.substr(0, 20));
  EXPECT_EQ(harness.take_payload(Side::kOrigin), "");
  harness.client(20, kRequest.substr(20));
  EXPECT_EQ(harness.take_payload(Side::kOrigin), kButTheLast);
  EXPECT_EQ(harness.reason(DataplaneReason::overload), 0u);
}

TEST(Evasion, HeadsAreGivenBack) {
  Harness harness;
  for (uint16_t i = 0; i < 40; ++i) {
    harness.key.client_port = static_cast<uint16_t>(kAttacker + i % 8);
    harness.open();
    harness.client(0, "PUT /x ");
    if (i % 4 == 0) harness.client(0, "", kRst);
    if (i % 4 == 1) harness.client(7, "HTTP/1.1\r\nHost: a\r\n\r\n");
    if (i % 4 == 2) harness.client(7, "\x01\n");
    if (i % 4 == 3) harness.origin(0, "", 7, kRst | kAck);
  }
  EXPECT_EQ(harness.engine().heads_in_use(), 0u);
}

TEST(Evasion, AnUploadWithoutRoomIsWrittenDown) {
  for (const FailAction action : {FailAction::kFlag, FailAction::kBlock}) {
    DataplaneConfig config = Harness::enforcing();
    config.fail_policy = default_fail_policy();
    config.fail_policy[static_cast<size_t>(DataplaneReason::overload)] = action;
    Harness harness(config);
    for (uint16_t i = 0; i < 5; ++i) {
      harness.key.client_port = static_cast<uint16_t>(kAttacker + i);
      harness.open();
      harness.client(0, kRequest.substr(0, kEnd - 2));
    }
    ASSERT_EQ(harness.sink.records.size(), 5u);
    const RecordingSink::Record& last = harness.sink.records.back();
    EXPECT_EQ(last.path, "/x");
    ASSERT_EQ(last.reports.size(), 1u);
    EXPECT_EQ(last.reports[0].reason, DataplaneReason::overload);
    EXPECT_EQ(last.reports[0].outcome, action == FailAction::kBlock
                                           ? GateOutcome::kBlockedUnasked
                                           : GateOutcome::kReleasedUnasked);
    EXPECT_EQ(harness.reason(DataplaneReason::overload), 1u);
  }
}

TEST(Evasion, ARefusedAmbiguityIsWrittenDown) {
  for (const char* headers : {"Host: a\r\nHost: b\r\n", "Host: a\r\n b\r\n"}) {
    Harness harness;
    harness.open();
    harness.client(0, "PUT /x HTTP/1.1\r\n" + std::string(headers) + "Content-Length: 2\r\n\r\nab");
    EXPECT_TRUE(harness.take_payload(Side::kClient).starts_with("HTTP/1.1 403"));
    ASSERT_EQ(harness.sink.records.size(), 1u);
    EXPECT_EQ(harness.sink.records[0].path, "/x");
    EXPECT_EQ(harness.sink.records[0].reports.at(0).reason, DataplaneReason::http_ambiguous);
    EXPECT_EQ(harness.sink.records[0].reports[0].outcome, GateOutcome::kBlockedUnasked);
  }
}

TEST(Evasion, NoHostIsTooLongForARule) {
  DataplaneConfig config = Harness::enforcing();
  config.inspect[0].hosts = {"*.up.example"};
  Harness harness(config);
  harness.open();
  harness.client(0, "PUT /x HTTP/1.1\r\nHost: " + std::string(300, 'a') +
                        ".up.example\r\nContent-Length: 2\r\n\r\nab");
  EXPECT_EQ(harness.take_payload(Side::kOrigin), "");
}

TEST(Evasion, ALabelDoesNotLetABodyPassForChecked) {
  struct Case {
    bool post;
    const char* header;
    const char* body;
  };
  for (const Case& one :
       {Case{true, "Content-Type: multipart/form-data; boundary=b", "ID3-raw"},
        Case{true, "Content-Type: multipart/form-data; boundary=b", "x\r\n--b"},
        Case{true, "Content-Type: multipart/related; boundary=b", "--b\r\nraw"},
        Case{true, "Content-Type: a/b\r\nContent-Type: multipart/form-data", "--b"},
        Case{false, "Content-Type: multipart/form-data; boundary=b", "--a\r\nraw"},
        Case{false, "Content-Encoding: br", "packed"},
        Case{false, "Content-Encoding: gzip, gzip", "packed"},
        Case{false, "Content-Encoding: gz\r\nContent-Encoding: ip", "packed"},
        Case{false, "Content-Encoding: compress", "packed"},
        Case{true, "Content-Type: multipart/form-data; boundary=b\r\nContent-Encoding: gzip",
             "--b"}}) {
    for (const bool block : {true, false}) {
      Harness harness;
      harness.open();
      const std::string header = std::string(one.header) + "\r\n";
      const std::string request =
          one.post ? post_request(one.body, header) : put_request(one.body, header);
      harness.client(0, request);
      EXPECT_EQ(harness.take_payload(Side::kOrigin), request.substr(0, request.size() - 1));
      EXPECT_EQ(harness.sink.records.at(0).body, one.body);
      harness.decide(block);
      const GateReport report = harness.sink.records[0].reports.at(0);
      EXPECT_EQ(report.outcome, block ? GateOutcome::kBlocked : GateOutcome::kReleasedUnasked);
      EXPECT_EQ(report.reason, block ? DataplaneReason::kNone : DataplaneReason::http_unsupported);
      EXPECT_EQ(harness.take_payload(Side::kOrigin),
                block ? "" : request.substr(request.size() - 1));
    }
  }
}

TEST(Evasion, TheInspectorIsToldOfACoding) {
  for (const auto& [name, coding] : {std::pair{"gzip", ContentCoding::kGzip},
                                     {" X-GZIP ", ContentCoding::kGzip},
                                     {"Deflate", ContentCoding::kDeflate}}) {
    Harness harness;
    harness.open();
    harness.client(0, put_request("packed", "Content-Encoding: " + std::string(name) + "\r\n"));
    EXPECT_EQ(harness.sink.records.at(0).coding, coding);
    harness.decide(false);
    EXPECT_EQ(harness.sink.records[0].reports.at(0).outcome, GateOutcome::kReleased);
  }
}

TEST(Evasion, ACodingThatIsNoneIsNone) {
  Harness harness;
  harness.open();
  harness.client(0, put_request("0123456789", "Content-Encoding: Identity\r\n"));
  harness.decide(false);
  EXPECT_EQ(harness.sink.records.at(0).reports.at(0).outcome, GateOutcome::kReleased);
}

TEST(Evasion, TagsHideNothing) {
  Harness harness;
  harness.tag({7, 8});
  harness.open();
  harness.client(0, kRequest);
  EXPECT_EQ(harness.take_payload(Side::kOrigin), kButTheLast);
  harness.decide(false);
  const auto released = harness.take(Side::kOrigin);
  ASSERT_EQ(released.size(), 1u);
  EXPECT_EQ(released[0].payload(), "9");
  EXPECT_EQ(released[0].frame.vlan, 0x7008u);
}

TEST(Evasion, PriorityTagsMakeNoOtherConnection) {
  Harness harness;
  harness.open();
  harness.client(0, kButTheLast);
  harness.seen.clear();
  for (int round = 0; round < 2; ++round) {
    round == 0 ? harness.tag({0}) : harness.tag({0, 0});
    harness.client(kEnd - 1, "9");
    EXPECT_TRUE(harness.take(Side::kOrigin).empty());
  }
}

TEST(Evasion, BehindMoreTagsNothingPasses) {
  Harness harness;
  std::vector<std::byte> frame(14 + 12 + 40);
  for (const size_t at : {12u, 16u, 20u}) store16(frame, at, 0x8100);
  store16(frame, 24, 0x0800);
  store16(frame, 26, 0x4500);
  store16(frame, 28, 40);
  store16(frame, 34, 0x4006);
  store16(frame, 48, 80);
  store8(frame, 58, 5 << 4);
  harness.put_frame(Side::kClient, frame);
  EXPECT_TRUE(harness.seen.empty());
  EXPECT_EQ(harness.engine().counters().segments_refused.get(), 1u);
}

TEST(Evasion, AnAnswerToConnectThatIsNoTunnelSwitchesNothing) {
  Harness harness;
  harness.open();
  const std::string connect = "CONNECT a:80 HTTP/1.1\r\nHost: a:80\r\n\r\n";
  const std::string answer = "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n";
  harness.client(0, connect);
  harness.origin(0, answer, connect.size());
  harness.seen.clear();
  harness.client(connect.size(), kRequest, kAck, answer.size());
  EXPECT_EQ(harness.take_payload(Side::kOrigin), kButTheLast);
}

// The origin may have missed the reset: only a SYN-ACK of its own shows that the old connection is
// over.
TEST(Evasion, ASynDoesNotFreeWhatWasRefused) {
  Harness harness;
  harness.open();
  harness.client(0, kRequest);
  harness.decide(true);
  harness.client(5'000'000, "", kSyn);
  harness.seen.clear();
  harness.origin(0, "", kEnd - 3);  // a challenge
  const auto answer = harness.take(Side::kOrigin);
  ASSERT_EQ(answer.size(), 1u);
  EXPECT_TRUE(answer[0].frame.has(kRst));
  EXPECT_EQ(answer[0].frame.sequence, Harness::kClientFirst + static_cast<uint32_t>(kEnd - 3));
  harness.wait(kFlowOpeningMax + milliseconds(10));
  harness.client(kEnd - 3, "789");
  EXPECT_EQ(harness.take_payload(Side::kOrigin), "");
}

TEST(Evasion, RefusedPortsAreUsedAgain) {
  Harness harness;
  harness.open();
  harness.client(0, kRequest);
  harness.decide(true);
  const uint64_t later = 1'000'000;
  harness.client(later - 1, "", kSyn);
  harness.origin(later - 1, "", later, kSyn | kAck);
  harness.seen.clear();
  harness.client(later, kRequest, kAck, later);
  EXPECT_EQ(harness.take_payload(Side::kOrigin), kButTheLast);
  EXPECT_EQ(harness.engine().uploads_in_use(), 1u);
}

// A client resets while its last segments are lost on the way to the origin.
TEST(Evasion, AfterAClientsResetTheOriginsChallengesAreAnswered) {
  Harness harness;
  harness.open();
  harness.client(0, kButTheLast);
  harness.client(kEnd - 1, "", kRst);
  harness.seen.clear();
  harness.origin(0, "", kEnd - 5);
  const auto answer = harness.take(Side::kOrigin);
  ASSERT_EQ(answer.size(), 1u);
  EXPECT_TRUE(answer[0].frame.has(kRst));
  EXPECT_EQ(answer[0].frame.sequence, Harness::kClientFirst + static_cast<uint32_t>(kEnd - 5));
}

TEST(Evasion, AClientsSynAckIsNotForTheOrigin) {
  Harness harness;
  harness.open();
  harness.seen.clear();
  harness.client(0, kRequest, kSyn | kAck);
  EXPECT_TRUE(harness.take(Side::kOrigin).empty());
}

TEST(Evasion, AConnectionIsNotForgottenForBeingIdle) {
  Harness harness;
  harness.open();
  harness.wait(kFlowIdleMax + milliseconds(10));
  EXPECT_TRUE(harness.take(Side::kOrigin).at(0).frame.has(kRst));
  EXPECT_TRUE(harness.take(Side::kClient).at(0).frame.has(kRst));
  harness.client(0, "PU");
  harness.client(2, kRequest.substr(2));
  EXPECT_EQ(harness.take_payload(Side::kOrigin), "");
}

TEST(Evasion, AConnectionFromBeforeIsRecognisedByHalfALine) {
  for (const char* before : {"", "\r\n"}) {
    for (const size_t bytes : {1, 2, 7}) {
      Harness harness;
      const std::string request = before + kRequest;
      const std::string piece = request.substr(0, std::string(before).size() + bytes);
      harness.client(0, piece);
      if (bytes < 4) {  // a body may look like that
        EXPECT_EQ(harness.take_payload(Side::kOrigin), "");
        harness.client_again(0, piece);
      }
      harness.client(piece.size(), kRequest.substr(bytes));
      EXPECT_EQ(harness.take_payload(Side::kOrigin), request.substr(0, request.size() - 1));
    }
  }
}

TEST(Evasion, AWrongGuessAboutAConnectionFromBeforeIsTakenBack) {
  Harness harness;
  harness.client(0, "body");
  harness.client_again(0, "body");
  harness.origin(0, "", 4);
  harness.client(4, "PUT ");
  harness.client(8, "\x01\n");  // it was a body
  harness.client(10, kRequest);
  ASSERT_EQ(harness.sink.records.size(), 1u);
  EXPECT_TRUE(harness.sink.records[0].finished);
  EXPECT_EQ(harness.take_payload(Side::kOrigin), "bodyPUT \x01\n" + kButTheLast);
}

TEST(Evasion, StoredBytesThatLeadNowhereMakeRoom) {
  Harness harness(Harness::enforcing(), {.flows = 64, .buffers = 64, .heads = 4, .uploads = 4});
  for (uint16_t i = 0; i < 20; ++i) {
    harness.key.client_port = static_cast<uint16_t>(kAttacker + i);
    harness.open();
    for (uint64_t at = 1; at < 40'000; at += 1'000) harness.client(at, std::string(1'000, 'x'));
  }
  const size_t taken = harness.engine().buffers_in_use();
  EXPECT_GE(taken, 64u - 64u / kPoolReserveShare);
  harness.wait(kFlowStuckMax + milliseconds(10));
  EXPECT_LT(harness.engine().buffers_in_use(), taken);
  EXPECT_GT(harness.reason(DataplaneReason::overload), 0u);
}

TEST(Evasion, AClientThatMissedAResetGetsAnother) {
  Harness harness;
  harness.open();
  harness.client(0, kRequest.substr(0, kEnd - 4));
  harness.origin(0, "", kEnd - 4, kRst | kAck);
  harness.seen.clear();
  harness.client(kEnd - 4, kRequest.substr(kEnd - 4), kAck, 0);
  EXPECT_TRUE(harness.take(Side::kOrigin).empty());
  const auto to_client = harness.take(Side::kClient);
  ASSERT_EQ(to_client.size(), 1u);
  EXPECT_TRUE(to_client[0].frame.has(kRst));
  EXPECT_EQ(to_client[0].frame.sequence, Harness::kOriginFirst);
}

}  // namespace
}  // namespace soundgate::test
