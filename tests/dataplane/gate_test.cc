// The gate: what is held, released, refused, and why.
#include <gtest/gtest.h>

#include "tests/dataplane/engine_harness.h"

namespace soundgate::test {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

constexpr std::string_view kCreated = "HTTP/1.1 201 Created\r\nContent-Length: 0\r\n\r\n";

// The whole request has come, in two segments; the second has the last byte.
void upload(Harness& harness) {
  harness.open();
  harness.client(0, kRequest.substr(0, kEnd - 4));
  harness.client(kEnd - 4, kRequest.substr(kEnd - 4));
}

GateReport only_report(Harness& harness) {
  EXPECT_EQ(harness.sink.records.size(), 1u);
  EXPECT_EQ(harness.sink.records.at(0).reports.size(), 1u);
  return harness.sink.records.at(0).reports.at(0);
}

TEST(Gate, HoldsTheLastByteUntilItMayPass) {
  Harness harness;
  upload(harness);
  EXPECT_EQ(harness.take_payload(Side::kOrigin), kRequest.substr(0, kEnd - 1));
  EXPECT_TRUE(harness.sink.records.at(0).finished);
  EXPECT_EQ(harness.sink.records.at(0).body, "0123456789");
  EXPECT_EQ(harness.sink.records.at(0).client, "10.0.0.1:40000");
  harness.decide(false);
  EXPECT_EQ(harness.take_payload(Side::kOrigin), "9");
  EXPECT_EQ(only_report(harness).outcome, GateOutcome::kReleased);
}

TEST(Gate, NoWayLeadsTheLastBytePastIt) {
  Harness harness;
  upload(harness);
  harness.take(Side::kOrigin);
  harness.client(kEnd - 1, "9");                          // a retransmission
  harness.client(kEnd - 1, "X");                          // a keep-alive probe with garbage
  harness.client(kEnd - 3, "789GET / HTTP/1.1\r\n\r\n");  // in other pieces, with more
  harness.client(kEnd + 5, "behind");                     // out of order
  harness.client(kEnd, "", kAck | kFin);                  // a bare FIN
  harness.client(kEnd - 1, "9", kAck | kPsh | kUrg);
  harness.client(kEnd - 1, "9", 0);  // no ACK flag
  const std::string sent = harness.take_payload(Side::kOrigin);
  EXPECT_EQ(sent.find('9'), std::string::npos) << sent;
  EXPECT_EQ(sent.find("GET"), std::string::npos) << sent;
  harness.client(kEnd, "");  // pure acknowledgments pass
  EXPECT_EQ(harness.take(Side::kOrigin).size(), 1u);
}

TEST(Gate, PipelinedRequestsFollowTheReleasedTail) {
  Harness harness;
  harness.open();
  harness.client(0, kRequest + kRequest);
  EXPECT_EQ(harness.sink.records.size(), 1u);
  harness.decide(false);
  EXPECT_EQ(harness.sink.records.size(), 2u);
  harness.decide(false);
  EXPECT_EQ(harness.take_payload(Side::kOrigin), kRequest + kRequest);
}

TEST(Gate, RefusesWithAWholeResponseAndResetsTheOrigin) {
  Harness harness;
  upload(harness);
  harness.origin(0, "", kEnd - 1);
  harness.seen.clear();
  harness.decide(true);
  EXPECT_EQ(only_report(harness).outcome, GateOutcome::kBlocked);

  const auto to_client = harness.take(Side::kClient);
  ASSERT_EQ(to_client.size(), 1u);
  EXPECT_TRUE(to_client[0].payload().starts_with("HTTP/1.1 403 Forbidden\r\n"));
  EXPECT_NE(to_client[0].payload().find("\"upload_id\":\"u\""), std::string::npos);
  EXPECT_TRUE(to_client[0].frame.has(kFin));
  EXPECT_EQ(to_client[0].frame.sequence, Harness::kOriginFirst);
  EXPECT_EQ(to_client[0].frame.acknowledgment, Harness::kClientFirst + kEnd);

  const auto to_origin = harness.take(Side::kOrigin);
  ASSERT_FALSE(to_origin.empty());
  EXPECT_TRUE(to_origin[0].frame.has(kRst));
  EXPECT_EQ(to_origin[0].frame.sequence, Harness::kClientFirst + kEnd - 1);
  harness.origin(0, "", kEnd - 5);  // a challenge
  const auto answer = harness.take(Side::kOrigin);
  ASSERT_EQ(answer.size(), 1u);
  EXPECT_TRUE(answer[0].frame.has(kRst));
  EXPECT_EQ(answer[0].frame.sequence, Harness::kClientFirst + kEnd - 5);
  EXPECT_TRUE(harness.take(Side::kClient).empty());

  harness.wait(milliseconds(250));  // not acknowledged: once more
  EXPECT_EQ(harness.take(Side::kClient).size(), 1u);
  const uint64_t all = to_client[0].payload().size() + 1;
  harness.client(kEnd, "", kAck | kFin, all);
  const auto last = harness.take(Side::kClient);
  ASSERT_EQ(last.size(), 1u);
  EXPECT_EQ(last[0].frame.acknowledgment, Harness::kClientFirst + kEnd + 1);
  harness.wait(milliseconds(600));
  EXPECT_TRUE(harness.take(Side::kClient).empty());
}

TEST(Gate, RefusesInTheMiddleAndTakesTheRest) {
  Harness harness;
  harness.open();
  const std::string big = put_request(std::string(3'000, 'x'));
  harness.client(0, big.substr(0, 1'000));
  harness.seen.clear();
  harness.decide(true);
  const std::string answer = harness.take_payload(Side::kClient);
  EXPECT_TRUE(answer.starts_with("HTTP/1.1 403"));
  harness.take(Side::kOrigin);
  harness.client(1'000, big.substr(1'000, 1'000));
  const auto acknowledgment = harness.take(Side::kClient);
  ASSERT_EQ(acknowledgment.size(), 1u);
  EXPECT_EQ(acknowledgment[0].frame.acknowledgment, Harness::kClientFirst + 2'000);
  EXPECT_TRUE(harness.take(Side::kOrigin).empty());
}

TEST(Gate, ARefusalWaitsForEarlierResponses) {
  Harness harness;
  harness.open();
  harness.client(0, "GET /a HTTP/1.1\r\nHost: a\r\n\r\n");
  const uint64_t begin = std::string("GET /a HTTP/1.1\r\nHost: a\r\n\r\n").size();
  harness.client(begin, kRequest);
  harness.seen.clear();
  harness.decide(true);
  EXPECT_TRUE(harness.take(Side::kClient).empty());
  harness.origin(0, kCreated, begin);
  EXPECT_EQ(harness.take_payload(Side::kClient), kCreated);
  harness.client(begin + kEnd, "", kAck, kCreated.size());
  const auto answer = harness.take(Side::kClient);
  ASSERT_EQ(answer.size(), 1u);
  EXPECT_EQ(answer[0].frame.sequence, Harness::kOriginFirst + kCreated.size());
  EXPECT_TRUE(answer[0].payload().starts_with("HTTP/1.1 403"));
}

TEST(Gate, ResetsBothEndsWhenTheResponseHasBegun) {
  Harness harness;
  upload(harness);
  harness.origin(0, "HTTP/1.1 413 Too Large\r\nContent-Length: 5\r\n\r\n", kEnd - 1);
  harness.seen.clear();
  harness.decide(true);
  const auto to_client = harness.take(Side::kClient);
  ASSERT_FALSE(to_client.empty());
  for (const Seen& one : to_client) EXPECT_TRUE(one.frame.has(kRst));
  EXPECT_TRUE(harness.take(Side::kOrigin).at(0).frame.has(kRst));
  EXPECT_EQ(only_report(harness).outcome, GateOutcome::kBlocked);
}

TEST(Gate, TheDeadlineCallsItsFailPolicy) {
  for (const FailAction action : {FailAction::kFlag, FailAction::kBlock}) {
    DataplaneConfig config = Harness::enforcing();
    config.fail_policy = default_fail_policy();
    config.fail_policy[static_cast<size_t>(DataplaneReason::hold_deadline)] = action;
    Harness harness(config);
    upload(harness);
    harness.seen.clear();
    harness.wait(config.hold_max - milliseconds(10));
    EXPECT_TRUE(harness.seen.empty());
    harness.wait(milliseconds(20));
    const bool blocks = action == FailAction::kBlock;
    EXPECT_EQ(only_report(harness).outcome,
              blocks ? GateOutcome::kBlockedUnasked : GateOutcome::kReleasedUnasked);
    EXPECT_EQ(only_report(harness).reason, DataplaneReason::hold_deadline);
    EXPECT_EQ(harness.reason(DataplaneReason::hold_deadline), 1u);
    EXPECT_EQ(harness.take_payload(Side::kOrigin), blocks ? "" : "9");
    harness.decide(true);  // too late
    EXPECT_EQ(harness.sink.records[0].reports.size(), 1u);
  }
}

TEST(Gate, OverloadCallsItsFailPolicy) {
  for (const bool at_begin : {true, false}) {
    Harness harness;
    (at_begin ? harness.sink.begin_result : harness.sink.append_result) = SinkResult::kOverload;
    upload(harness);
    EXPECT_EQ(only_report(harness).outcome, GateOutcome::kReleasedUnasked);
    EXPECT_EQ(only_report(harness).reason, DataplaneReason::overload);
    EXPECT_EQ(harness.take_payload(Side::kOrigin), kRequest);
  }
}

TEST(Gate, EnoughStopsTheBytesAndNotTheHold) {
  Harness harness;
  harness.sink.append_result = SinkResult::kEnough;
  upload(harness);
  EXPECT_LT(harness.sink.records.at(0).body.size(), 10u);
  EXPECT_TRUE(harness.sink.records.at(0).finished);
  EXPECT_EQ(harness.take_payload(Side::kOrigin), kRequest.substr(0, kEnd - 1));
}

TEST(Gate, AClientsResetReachesTheOriginWhereItIsBelieved) {
  Harness harness;
  upload(harness);
  harness.seen.clear();
  harness.client(kEnd, "", kRst);
  const auto to_origin = harness.take(Side::kOrigin);
  ASSERT_FALSE(to_origin.empty());
  EXPECT_TRUE(to_origin[0].frame.has(kRst));
  EXPECT_EQ(to_origin[0].frame.sequence, Harness::kClientFirst + kEnd - 1);
  EXPECT_EQ(only_report(harness).outcome, GateOutcome::kAborted);
  EXPECT_EQ(only_report(harness).reason, DataplaneReason::client_gone);
  harness.client(kEnd - 1, "9");  // over: no payload of it gets through
  EXPECT_TRUE(harness.take(Side::kOrigin).empty());
}

TEST(Gate, TheOriginMayLeave) {
  Harness harness;
  upload(harness);
  harness.origin(0, "", kEnd - 1, kRst | kAck);
  EXPECT_EQ(only_report(harness).outcome, GateOutcome::kAborted);
  EXPECT_EQ(only_report(harness).reason, DataplaneReason::origin_gone);
}

TEST(Gate, AnUploadThatEndsEarlyIsAborted) {
  Harness harness;
  harness.open();
  harness.client(0, kRequest.substr(0, kEnd - 4));
  harness.client(kEnd - 4, "", kAck | kFin);
  EXPECT_EQ(only_report(harness).reason, DataplaneReason::client_gone);
  EXPECT_FALSE(harness.sink.records[0].finished);
  EXPECT_TRUE(harness.take(Side::kOrigin).back().frame.has(kFin));
}

TEST(Gate, ShutdownFollowsItsFailPolicy) {
  for (const FailAction action : {FailAction::kFlag, FailAction::kBlock}) {
    DataplaneConfig config = Harness::enforcing();
    config.fail_policy = default_fail_policy();
    config.fail_policy[static_cast<size_t>(DataplaneReason::shutdown)] = action;
    Harness harness(config);
    upload(harness);
    harness.seen.clear();
    harness.engine().shut_down();
    EXPECT_EQ(only_report(harness).reason, DataplaneReason::shutdown);
    const bool blocks = action == FailAction::kBlock;
    EXPECT_EQ(harness.take_payload(Side::kOrigin), blocks ? "" : "9");
    EXPECT_EQ(harness.take_payload(Side::kClient).starts_with("HTTP/1.1 403"), blocks);
  }
}

TEST(Gate, ObserveModeHoldsNothingAndAnUploadKeepsItsMode) {
  DataplaneConfig config = Harness::enforcing();
  config.mode = Mode::kObserve;
  Harness harness(config);
  harness.open();
  harness.client(0, kRequest.substr(0, kEnd - 4));
  harness.engine().set_mode(Mode::kEnforce);
  harness.client(kEnd - 4, kRequest.substr(kEnd - 4));
  EXPECT_EQ(harness.take_payload(Side::kOrigin), kRequest);
  EXPECT_EQ(harness.sink.records[0].mode, Mode::kObserve);
  EXPECT_TRUE(harness.sink.records[0].finished);
  EXPECT_EQ(only_report(harness).outcome, GateOutcome::kReleasedUnasked);
  EXPECT_EQ(only_report(harness).reason, DataplaneReason::kNone);
  harness.client(kEnd, kRequest);  // the next one is enforced
  EXPECT_EQ(harness.take_payload(Side::kOrigin), kRequest.substr(0, kEnd - 1));
}

TEST(Gate, TheLastChunkIsHeldFromItsFirstZero) {
  Harness harness;
  harness.open();
  const std::string head = "PUT /x HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n";
  harness.client(0, head + "5\r\nhello\r\n0");
  EXPECT_EQ(harness.take_payload(Side::kOrigin), head + "5\r\nhello\r\n");
  harness.client(head.size() + 11, "3\r\nabc\r\n");  // it was "03": not the last
  EXPECT_EQ(harness.take_payload(Side::kOrigin), "03\r\nabc\r\n");
  harness.client(head.size() + 19, "00\r\n\r\n");
  EXPECT_EQ(harness.take_payload(Side::kOrigin), "");
  EXPECT_EQ(harness.sink.records.at(0).body, "helloabc");
  EXPECT_TRUE(harness.sink.records[0].finished);
  harness.decide(false);
  EXPECT_EQ(harness.take_payload(Side::kOrigin), "00\r\n\r\n");
}

TEST(Gate, StandingStillInTheLastChunksLineReleasesNothing) {
  Harness harness;
  harness.open();
  const std::string head = "PUT /x HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n";
  harness.client(0, head + "5\r\nhello\r\n0");
  harness.seen.clear();
  harness.wait(kTailStallMax + milliseconds(10));
  EXPECT_EQ(only_report(harness).outcome, GateOutcome::kAborted);
  EXPECT_TRUE(harness.take(Side::kOrigin).at(0).frame.has(kRst));
  harness.client(head.size() + 11, "\r\n\r\n");
  EXPECT_EQ(harness.take_payload(Side::kOrigin), "");
}

TEST(Gate, ALongTailThatStandsStillGoesUpToItsLastByte) {
  DataplaneConfig config = Harness::enforcing();
  config.tail_bytes = 8;
  Harness harness(config);
  harness.open();
  harness.client(0, kRequest.substr(0, kEnd - 4));
  EXPECT_EQ(harness.take_payload(Side::kOrigin), kRequest.substr(0, kEnd - 8));
  harness.wait(kTailStallMax + milliseconds(10));
  EXPECT_EQ(harness.take_payload(Side::kOrigin), kRequest.substr(kEnd - 8, 4));
  harness.client(kEnd - 4, kRequest.substr(kEnd - 4));
  EXPECT_EQ(harness.take_payload(Side::kOrigin), kRequest.substr(kEnd - 4, 3));
  EXPECT_TRUE(harness.sink.records.at(0).finished);
  EXPECT_TRUE(harness.sink.records[0].reports.empty());
  harness.decide(false);
  EXPECT_EQ(harness.take_payload(Side::kOrigin), "9");
}

TEST(Gate, AContentTypeDoesNotSwitchTheInspectionOff) {
  for (const bool post : {false, true}) {
    Harness harness;
    harness.open();
    const std::string type = post ? "multipart/mixed" : "multipart/form-data";
    const std::string headers = "Content-Type: " + type + "; boundary=b\r\n";
    const std::string request =
        post ? post_request("0123456789", headers) : put_request("0123456789", headers);
    harness.client(0, request);
    EXPECT_EQ(harness.sink.records.at(0).body, "0123456789");
    EXPECT_EQ(harness.take_payload(Side::kOrigin), request.substr(0, request.size() - 1));
  }
}

TEST(Gate, APatchIsAnUploadUnlessARuleNamesOtherMethods) {
  for (const bool named : {false, true}) {
    DataplaneConfig config = Harness::enforcing();
    if (!named) config.inspect[0].methods = {"PUT", "POST"};
    Harness harness(config);
    harness.open();
    const std::string request = "PATCH" + kRequest.substr(3);
    harness.client(0, request);
    EXPECT_EQ(harness.sink.records.size(), named ? 1u : 0u);
    EXPECT_EQ(harness.take_payload(Side::kOrigin),
              request.substr(0, request.size() - (named ? 1 : 0)));
  }
}

// The client asks for leave to send its body.
const std::string kExpecting =
    "PUT /x HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 400\r\n\r\n";

TEST(Gate, AContinuedUploadIsHeldLikeAnyOther) {
  Harness harness;
  harness.open();
  harness.client(0, kExpecting);
  EXPECT_EQ(harness.take_payload(Side::kOrigin), kExpecting);
  const std::string leave = "HTTP/1.1 100 Continue\r\n\r\n";
  harness.origin(0, leave, kExpecting.size());
  EXPECT_EQ(harness.take_payload(Side::kClient), leave);
  const std::string body(400, 'x');
  harness.client(kExpecting.size(), body, kAck, leave.size());
  EXPECT_EQ(harness.take_payload(Side::kOrigin), body.substr(1));
  harness.decide(true);
  EXPECT_TRUE(harness.take_payload(Side::kClient).starts_with("HTTP/1.1 403"));
}

// Refused by the origin, the client sends its body all the same, or leaves.
TEST(Gate, AnOriginMayRefuseToTakeTheBody) {
  const std::string refusal = "HTTP/1.1 417 Expectation Failed\r\nContent-Length: 0\r\n\r\n";
  for (const bool sends : {true, false}) {
    Harness harness;
    harness.open();
    harness.client(0, kExpecting);
    harness.take(Side::kOrigin);
    harness.origin(0, refusal, kExpecting.size());
    EXPECT_EQ(harness.take_payload(Side::kClient), refusal);
    if (sends) {
      harness.client(kExpecting.size(), std::string(400, 'x') + kRequest, kAck, refusal.size());
      EXPECT_EQ(harness.take_payload(Side::kOrigin), std::string(399, 'x'));
      harness.decide(false);
      ASSERT_EQ(harness.sink.records.size(), 2u);  // the next one on the connection is read
      EXPECT_EQ(harness.sink.records[1].body, "0123456789");
    } else {
      harness.client(kExpecting.size(), "", kAck | kFin, refusal.size());
      EXPECT_TRUE(harness.take(Side::kOrigin).at(0).frame.has(kFin));
      EXPECT_EQ(only_report(harness).reason, DataplaneReason::client_gone);
    }
  }
}

// Some origins that refuse the body take what comes for the next request.
TEST(Gate, ABodyThatMayBeTheNextRequestIsRefused) {
  for (const char* next :
       {"PUT /y HTTP/1.1\r\n", "\r\n\r\nGET / HTTP/1.1\r\n", "BREW\thttp://a/ "}) {
    for (const size_t piece : {1, 2, 5, 100}) {
      Harness harness;
      harness.open();
      const std::string all = kExpecting + next + std::string(390, 'x');
      harness.client(0, kExpecting);
      for (size_t at = kExpecting.size(); at < all.size(); at += piece) {
        harness.client(at, all.substr(at, piece));
      }
      EXPECT_TRUE(harness.take_payload(Side::kClient).starts_with("HTTP/1.1 403")) << next;
      EXPECT_EQ(only_report(harness).reason, DataplaneReason::http_ambiguous);
      const std::string sent = harness.take_payload(Side::kOrigin);
      EXPECT_EQ(sent.find("HTTP/1.1", kExpecting.size()), std::string::npos) << sent;
    }
  }
  for (const char* body : {"RIFF$ ", "ID3\3", "title=a /", "{\"a\": /"}) {
    Harness harness;
    harness.open();
    harness.client(0, kExpecting + body);
    EXPECT_TRUE(harness.take(Side::kClient).empty()) << body;
  }
}

// The origin answers before the body has come whole: with its connection kept, or closed.
TEST(Gate, AnEarlyResponseDoesNotLetTheBodyPass) {
  for (const bool closes : {true, false}) {
    for (const bool block : {true, false}) {
      Harness harness;
      harness.open();
      harness.client(0, kRequest.substr(0, kEnd - 4));
      const std::string early = "HTTP/1.1 401 Unauthorized\r\nContent-Length: 0\r\n\r\n";
      harness.origin(0, early, kEnd - 4, closes ? kAck | kFin : kAck);
      harness.take(Side::kOrigin);
      harness.client(kEnd - 4, kRequest.substr(kEnd - 4), kAck, early.size());
      EXPECT_EQ(harness.take_payload(Side::kOrigin), "678");
      harness.seen.clear();
      harness.decide(block);
      EXPECT_EQ(harness.take_payload(Side::kOrigin), block ? "" : "9");
      EXPECT_EQ(harness.take_payload(Side::kClient), "");  // it has its answer: a reset, at most
    }
  }
}

TEST(Gate, Http2PassesAndIsCounted) {
  const std::string preface = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
  for (size_t cut = 1; cut < preface.size(); ++cut) {
    Harness harness;
    harness.open();
    harness.client(0, preface.substr(0, cut));
    harness.client(cut, preface.substr(cut) + std::string("\0\0\0\4\0\0\0\0\0", 9));
    EXPECT_EQ(harness.reason(DataplaneReason::http2), 1u) << cut;
    EXPECT_EQ(harness.reason(DataplaneReason::not_http), 0u);
    EXPECT_EQ(harness.take_payload(Side::kOrigin).size(), preface.size() + 9);
  }
}

TEST(Gate, Http2IsRefusedWherePolicySaysSo) {
  DataplaneConfig config = Harness::enforcing();
  config.fail_policy = default_fail_policy();
  config.fail_policy[static_cast<size_t>(DataplaneReason::http2)] = FailAction::kBlock;
  Harness harness(config);
  harness.open();
  harness.client(0, "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n");
  EXPECT_EQ(harness.take_payload(Side::kOrigin), "");
}

TEST(Gate, AmbiguityIsRefused) {
  Harness harness;
  harness.open();
  harness.client(0,
                 "PUT /x HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nab");
  EXPECT_TRUE(harness.take_payload(Side::kClient).starts_with("HTTP/1.1 403"));
  EXPECT_EQ(harness.take_payload(Side::kOrigin), "");
  EXPECT_EQ(harness.reason(DataplaneReason::http_ambiguous), 1u);
}

TEST(Gate, WhatIsNotAskedForPasses) {
  DataplaneConfig config = Harness::enforcing();
  config.inspect = {InspectRule{{80}, {}, {"/upload/*"}, {"PUT"}, 0}};
  Harness harness(config);
  harness.open();
  harness.client(0, kRequest);
  EXPECT_EQ(harness.take_payload(Side::kOrigin), kRequest);
  EXPECT_TRUE(harness.sink.records.empty());
}

}  // namespace
}  // namespace soundgate::test
