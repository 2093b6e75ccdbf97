// Ways around the inspection of uploads in parts, and what honest clients must not suffer.
#include "dataplane/gate/intake.h"
#include "tests/dataplane/tus_ends.h"

namespace soundgate::test {
namespace {

constexpr size_t kBlock = kSeenBlockBytes;

TEST(TusEvasion, AStatusAheadOfThePartOnItsWayHarmsNothing) {
  Tus tus;
  const std::string all(4 * kBlock, 'x');
  tus.make(5 * kBlock);
  Connection one = tus.connect();
  for (size_t at = 0; at < all.size(); at += 1'000) {
    one.say((at == 0 ? patch_head(kResource, 0, 5 * kBlock) : "") + all.substr(at, 1'000));
  }
  one.reset();
  Connection two = tus.connect();
  two.say(patch_head(kResource, 10, 5 * kBlock - 10));
  tus.connect().ask(status_request(kResource), status(2 * kBlock, 5 * kBlock));
  EXPECT_EQ(two.say(all.substr(10, 1'000)), all.substr(10, 1'000));
  EXPECT_EQ(tus.reason(DataplaneReason::upload_conflict), 0u);
}

TEST(TusEvasion, AnUnclearHeadThatSaysTheLengthIsRefused) {
  for (const std::string& host :
       {"Host: " + std::string(300, 'a') + "\r\n", std::string("Host: a\r\nHost: b\r\n")}) {
    Tus tus;
    Connection one = tus.connect();
    one.ask(creation("Upload-Defer-Length: 1\r\n"), created(kResource));
    one.ask(patch(kResource, 0, kText), stored(20));
    std::string end = patch(kResource, 20, "", length_header(20));
    end.replace(end.find("Host: a\r\n"), 9, host);
    EXPECT_EQ(one.say(end), "");
    EXPECT_TRUE(is_refusal(tus.take_payload(Side::kClient)));
  }
}

TEST(TusEvasion, ALengthThatIsReachedAlreadyHoldsTheHead) {
  const std::string chunked = "PATCH " + kResource + " HTTP/1.1\r\nHost: a\r\n" + kTus +
                              "Upload-Offset: 20\r\nUpload-Length: 20\r\n" +
                              "Content-Type: application/offset+octet-stream\r\n" +
                              "Transfer-Encoding: chunked\r\n\r\n";
  for (const std::string& end : {chunked, patch_head(kResource, 20, 5, length_header(20))}) {
    Tus tus;
    Connection one = tus.connect();
    one.ask(creation("Upload-Defer-Length: 1\r\n"), created(kResource));
    one.ask(patch(kResource, 0, kText), stored(20));
    EXPECT_EQ(one.say(end), end.substr(0, end.size() - 1));
    EXPECT_TRUE(tus.only().finished);
    tus.decide(true);
    EXPECT_EQ(tus.take_payload(Side::kOrigin), "");
    EXPECT_TRUE(is_refusal(tus.take_payload(Side::kClient)));
  }
}

TEST(TusEvasion, OtherBytesAfterTheVerdictDoNotGoAheadOfTheComparison) {
  Tus tus;
  tus.make(20);
  Connection one = tus.connect();
  one.say(patch(kResource, 0, kText));
  tus.decide(false);
  one.reset();
  tus.key.client_port = 42'000;
  tus.open();
  const std::string slow = "GET /slow HTTP/1.1\r\nHost: a\r\n\r\n";
  const std::string head = slow + patch_head(kResource, 0, 20);
  tus.client(0, head);
  const std::string bad = kText.substr(0, 5) + std::string(15, 'B');
  tus.client(head.size() + 5, bad.substr(5));
  tus.client(head.size(), bad.substr(0, 5));
  std::string arrived(20, '?');
  const uint32_t first = Harness::kClientFirst + static_cast<uint32_t>(head.size());
  for (const Seen& seen : tus.take(Side::kOrigin)) {
    const std::string payload = seen.payload();
    const uint32_t at = seen.frame.sequence - first;
    if (at < 20) arrived.replace(at, payload.size(), payload);
  }
  EXPECT_NE(arrived, bad);
  EXPECT_EQ(tus.reason(DataplaneReason::upload_conflict), 1u);
}

TEST(TusEvasion, ALengthThatTheOriginRejectedMakesNothingSmall) {
  DataplaneConfig config = tus_config();
  config.inspect[0].body_bytes_min = 15;
  for (const bool says_length : {true, false}) {
    Tus tus(config);
    Connection one = tus.connect();
    one.ask(creation("Upload-Defer-Length: 1\r\n"), created(kResource));
    one.say(patch(kResource, 0, "x", length_header(1)));
    one.reset();
    const std::string all = patch(kResource, 0, kText, says_length ? length_header(20) : "");
    EXPECT_NE(tus.connect().say(all), all);
  }
}

// Many origins look at no such header, and take all of the body.
TEST(TusEvasion, ALengthThatIsSaidDoesNotMakeABodySmall) {
  DataplaneConfig config = tus_config();
  config.inspect[0].body_bytes_min = 15;
  Tus tus(config);
  const std::string request = post_request(kText, length_header(1));
  EXPECT_EQ(tus.connect().say(request), request.substr(0, request.size() - 1));
  EXPECT_EQ(tus.only().body, kText);
}

std::string creation_with(const std::string& body, uint64_t length,
                          const std::string& headers = "") {
  return "POST /files HTTP/1.1\r\nHost: a\r\n" + kTus + length_header(length) +
         "Content-Type: application/offset+octet-stream\r\n" + headers +
         "Content-Length: " + std::to_string(body.size()) + "\r\n\r\n" + body;
}

TEST(TusEvasion, ACreationWithMoreThanItsLengthIsRefused) {
  for (const std::string& headers : {std::string(), std::string("Upload-Concat: partial\r\n")}) {
    Tus tus;
    EXPECT_EQ(tus.connect().say(creation_with(kText + "more", 20, headers)), "");
    EXPECT_TRUE(is_refusal(tus.take_payload(Side::kClient)));
    std::string chunked = creation_with("", 20, headers);
    chunked.replace(chunked.find("Content-Length: 0"), 17, "Transfer-Encoding: chunked");
    EXPECT_EQ(tus.connect().say(chunked + "a\r\n" + kText.substr(0, 10)),
              chunked + "a\r\n" + kText.substr(0, 9));
    tus.take_payload(Side::kClient);
    Connection three = tus.connect();
    const std::string sent = three.say(chunked + "18\r\n" + kText);
    EXPECT_EQ(sent.find(kText), sent.npos);
    EXPECT_TRUE(is_refusal(tus.take_payload(Side::kClient)));
  }
}

TEST(TusEvasion, ABlockBeforeTheLocationIsKnownStays) {
  for (const bool idle : {true, false}) {
    Tus tus;
    tus.make(5, "/files/another");
    Connection one = tus.connect();
    one.say(creation_with(kText.substr(0, 19), 20));
    if (idle) tus.decide(true);
    one.answer(created(kResource, "Upload-Offset: 19\r\n"));
    if (!idle) tus.decide(true);
    EXPECT_EQ(tus.report().outcome, GateOutcome::kBlocked);
    EXPECT_EQ(tus.connect().say(patch(kResource, 19, "j")), "");
    EXPECT_TRUE(is_refusal(tus.take_payload(Side::kClient)));
    EXPECT_TRUE(tus.engine().shared().lift({tus.only().key}));
  }
}

TEST(TusEvasion, WhatACreationBroughtApartIsNotUnseen) {
  Tus tus;
  Connection one = tus.connect();
  one.say(creation_with("BADBADBA", 20));
  tus.decide(false);
  one.answer(created(kResource, "Upload-Offset: 8\r\n"));
  Connection two = tus.connect();
  two.say(patch(kResource, 0, kText.substr(0, 8)));
  two.reset();
  tus.connect().say(patch(kResource, 8, kText.substr(8)));
  tus.decide(false);
  const RecordingSink::Record& last = tus.sink.records.back();
  ASSERT_EQ(last.reports.size(), 1u);
  EXPECT_EQ(last.reports[0].reason, DataplaneReason::partial_upload);
}

TEST(TusEvasion, ACreationThatBroughtNothingIsFollowed) {
  Tus tus;
  Connection one = tus.connect();
  one.say(creation_with(kText.substr(0, 8), 20));
  tus.decide(false);
  one.answer(created(kResource, "Upload-Offset: 0\r\n"));
  const std::string all = patch(kResource, 0, kText);
  EXPECT_EQ(tus.connect().say(all), all.substr(0, all.size() - 1));
  tus.decide(false);
  EXPECT_EQ(tus.sink.records.back().reports.at(0).reason, DataplaneReason::kNone);
}

TEST(TusEvasion, AConcatenationWithABodyIsOne) {
  Tus tus;
  tus.make(20);
  tus.connect().ask(patch(kResource, 0, kText.substr(0, 10)), stored(10));
  tus.decide(true);
  std::string request = creation("Upload-Concat: final;" + kResource + "\r\n");
  request.replace(request.find("Content-Length: 0"), 17, "Transfer-Encoding: chunked");
  EXPECT_EQ(tus.connect().say(request + "0\r\n\r\n"), "");
  EXPECT_TRUE(is_refusal(tus.take_payload(Side::kClient)));
}

TEST(TusEvasion, AConcatenationOfVeryManyIsRefused) {
  Tus tus;
  std::string names;
  for (int i = 0; i < 2'000; ++i) names += "a ";
  std::string request = creation("Upload-Concat: final;" + names + "\r\n");
  request.replace(request.find("/files"), 6, "/" + std::string(8'000, 'f') + "/x");
  Connection one = tus.connect();
  const auto begin = std::chrono::steady_clock::now();
  std::string sent;
  for (size_t at = 0; at < request.size(); at += 1'000) sent += one.say(request.substr(at, 1'000));
  const std::chrono::duration<double> took = std::chrono::steady_clock::now() - begin;
  RecordProperty("seconds", std::to_string(took.count()));
  EXPECT_LT(took.count(), 0.01);
  EXPECT_NE(sent, request);
}

TEST(TusEvasion, APartThatTheOriginHasInterruptedIsContinued) {
  Tus tus;
  tus.make(20);
  Connection one = tus.connect();
  one.say(patch_head(kResource, 0, 20) + kText.substr(0, 12));
  one.answer("HTTP/1.1 400 Bad Request\r\n" + kTus + "Content-Length: 0\r\n\r\n");
  tus.connect().ask(status_request(kResource), status(12, 20));
  const std::string rest = patch(kResource, 12, kText.substr(12));
  EXPECT_EQ(tus.connect().say(rest), rest.substr(0, rest.size() - 1));
  EXPECT_EQ(tus.only().body, kText);
}

TEST(TusEvasion, APartThatTheOriginDoesNotTakeIsNotContinued) {
  for (const bool says_length : {true, false}) {
    Tus tus;
    tus.make(20);
    Connection one = tus.connect();
    std::string request =
        patch(kResource, 0, kText.substr(0, 8), says_length ? length_header(20) : "");
    if (!says_length) request.replace(request.find("application/offset"), 18, "applicatiom/offset");
    one.ask(request, "HTTP/1.1 400 Bad Request\r\n" + kTus + "Content-Length: 0\r\n\r\n");
    one.say(patch(kResource, 8, kText.substr(8)));
    EXPECT_EQ(tus.sink.records.size(), 2u);
  }
}

TEST(TusEvasion, PartsOnAnotherLcoreAreNotForgotten) {
  const std::string resource = "/files/x1";
  SharedResources shared(HashSeed{5, 6}, tus_sizes().shared);
  Tus owner(tus_config(), &shared, 0);
  Tus other(tus_config(), &shared, 1);
  owner.make(20, resource);
  Connection one = owner.connect();
  one.say(patch(resource, 0, kText.substr(0, 8)));
  one.reset();
  other.connect().ask(patch(resource, 0, "BADBADBA"), stored(8));
  owner.connect().say(patch(resource, 8, kText.substr(8)));
  EXPECT_EQ(owner.sink.records.at(0).reports.at(0).reason, DataplaneReason::partial_upload);
}

TEST(TusEvasion, AnotherNameOnItsWayIsNotForgotten) {
  Tus tus;
  Connection one = tus.connect();
  one.say(patch("/x" + kResource, 0, "BADBADBA"));
  tus.connect().ask(status_request(kResource), status(0, 20));
  tus.decide(false);
  one.answer(stored(8));
  Connection two = tus.connect();
  two.say(patch(kResource, 0, kText.substr(0, 8)));
  two.reset();
  tus.connect().say(patch(kResource, 8, kText.substr(8)));
  for (const RecordingSink::Record& record : tus.sink.records) {
    EXPECT_NE(record.body, kText);
  }
}

TEST(TusEvasion, WhatPassedUncheckedIsNotCoveredUp) {
  const auto intake = std::make_shared<Intake>();
  DataplaneConfig config = tus_config();
  config.intake = intake;
  Tus tus(config);
  tus.make(20);
  intake->set_draining(true);
  tus.connect().ask(patch(kResource, 0, "BADBADBA"), stored(8));
  intake->set_draining(false);
  Connection two = tus.connect();
  two.say(patch(kResource, 0, kText.substr(0, 8)));
  two.reset();
  tus.connect().say(patch(kResource, 8, kText.substr(8)));
  for (const RecordingSink::Record& record : tus.sink.records) {
    EXPECT_NE(record.body, kText);
  }
}

TEST(TusEvasion, TheIdentifierMayStandInTheQuery) {
  Tus tus;
  tus.make(20);
  tus.connect().ask(patch(kResource, 0, kText.substr(0, 10)), stored(10));
  tus.decide(true);
  for (const char* target : {"/files/y?a=/0123456789abcdef0123", "/y#/%30123456789abcdef0123/",
                             "/files/fedcba98765432100?/0123456789ABCDEF0123"}) {
    EXPECT_EQ(tus.connect().say(patch(target, 10, kText.substr(10))), "") << target;
    EXPECT_TRUE(is_refusal(tus.take_payload(Side::kClient))) << target;
  }
}

TEST(TusEvasion, ALocationOfAnotherHostIsFollowedByEither) {
  for (const char* host : {"a", "public.example"}) {
    Tus tus;
    tus.make(20, "https://public.example" + kResource);
    const auto part = [&](const std::string& resource, uint64_t offset, const std::string& body) {
      std::string request = patch(resource, offset, body);
      return request.replace(request.find("Host: a"), 7, "Host: " + std::string(host));
    };
    tus.connect().ask(part(kResource, 0, kText.substr(0, 8)), stored(8));
    const std::string rest = part(kResource, 8, kText.substr(8));
    EXPECT_EQ(tus.connect().say(rest), rest.substr(0, rest.size() - 1));
    EXPECT_EQ(tus.only().body, kText);
    tus.decide(false);
    EXPECT_EQ(tus.report().reason, DataplaneReason::kNone);
  }
}

TEST(TusEvasion, OnlyOneOfTwoNamesIsFollowed) {
  Tus tus;
  tus.make(20, "https://public.example" + kResource);
  std::string other = patch(kResource, 0, "BADBADBA");
  other.replace(other.find("Host: a"), 7, "Host: public.example");
  tus.connect().ask(other, stored(8));
  Connection two = tus.connect();
  two.say(patch(kResource, 0, kText.substr(0, 8)));
  two.reset();
  tus.connect().say(patch(kResource, 8, kText.substr(8)));
  for (const RecordingSink::Record& record : tus.sink.records) {
    EXPECT_NE(record.body, kText);
  }
}

TEST(TusEvasion, WhereNobodyKnowsTheLengthThePolicyDecidesAtOnce) {
  DataplaneConfig config = tus_config();
  config.fail_policy = default_fail_policy();
  config.fail_policy[static_cast<size_t>(DataplaneReason::partial_upload)] = FailAction::kBlock;
  Tus tus(config);
  EXPECT_EQ(tus.connect().say(patch_head(kResource, 0, 1'000) + kText), "");
  EXPECT_TRUE(is_refusal(tus.take_payload(Side::kClient)));
}

TEST(TusEvasion, APartThatIsCutOffHasArrived) {
  Tus tus;
  Connection one = tus.connect();
  one.say(patch_head(kResource, 0, 1'000) + kText);
  one.reset();
  EXPECT_TRUE(tus.only().finished);
  EXPECT_EQ(tus.report().outcome, GateOutcome::kReleasedUnasked);
  EXPECT_EQ(tus.report().reason, DataplaneReason::partial_upload);
}

TEST(TusEvasion, AnswersThatAreAwaitedForLongMakeRoom) {
  Tus tus;
  std::vector<Connection> silent;
  for (int i = 0; i < 8; ++i) {
    silent.push_back(tus.connect());
    silent.back().say(creation(length_header(20)));
  }
  EXPECT_EQ(tus.engine().exchanges_in_use(), 8u);
  tus.wait(std::chrono::seconds(11));
  tus.make(20);
  const std::string all = patch(kResource, 0, kText);
  EXPECT_EQ(tus.connect().say(all), all.substr(0, all.size() - 1));
  tus.decide(false);
  EXPECT_EQ(tus.report().reason, DataplaneReason::kNone);
  for (Connection& one : silent) one.answer(created("/files/late-0123456789abcdef"));
  tus.expect_all_given_back();
}

TEST(TusEvasion, PartsLeaveExchangesForCreations) {
  Tus tus;
  for (int i = 0; i < 8; ++i) tus.connect().say(patch_head("/files/y" + std::to_string(i), 5, 9));
  EXPECT_EQ(tus.engine().exchanges_in_use(), 6u);
  tus.make(20);
  EXPECT_TRUE(tus.engine().shared().endpoints.find(
      resource_keys("/files", "a", tus.engine().shared().seed).plain, Tick{}));
}

// Whoever drains does not wait for these.
TEST(TusEvasion, ResourcesOfWhichNoPartIsOnItsWayAreCounted) {
  Tus tus;
  tus.make(20);
  Connection one = tus.connect();
  one.say(patch_head(kResource, 0, 8));
  tus.wait(std::chrono::milliseconds(2));
  EXPECT_EQ(tus.engine().counters().resources_idle.get(), 0u);
  one.ask(kText.substr(0, 8), stored(8));
  tus.wait(std::chrono::milliseconds(2));
  EXPECT_EQ(tus.engine().counters().resources_idle.get(), 1u);
  tus.engine().shut_down();
}

TEST(TusEvasion, HeadersThatSomeOriginsTakeForOursAreOurs) {
  for (const char* header : {"Upload_Offset: 8\r\n", "upload_Offset: 8\r\n"}) {
    Tus tus;
    tus.make(20);
    std::string request = patch(kResource, 0, kText.substr(0, 8));
    request.replace(request.find("Upload-Offset: 0\r\n"), 18, header);
    tus.connect().say(request);
    tus.decide(false);
    EXPECT_EQ(tus.report().reason, DataplaneReason::partial_upload) << header;
  }
  Tus tus;
  tus.make(20);
  EXPECT_EQ(tus.connect().say(patch(kResource, 0, kText, "Upload_Offset: 8\r\n")), "");
}

TEST(TusEvasion, SeveralOverridesMayMeanAPart) {
  Tus tus;
  tus.make(20);
  const std::string overrides = "X-HTTP-Method-Override: GET\r\nX-HTTP-Method-Override: PATCH\r\n";
  std::string request = patch(kResource, 0, kText, overrides);
  request.replace(0, 5, "POST");
  EXPECT_EQ(tus.connect().say(request), request.substr(0, request.size() - 1));
  EXPECT_EQ(tus.only().body_bytes, 20);
}

// While the decoders are behind, its sender is slowed down like others.
TEST(TusEvasion, PartsArePutOffLikeOtherUploads) {
  const auto intake = std::make_shared<Intake>();
  DataplaneConfig config = tus_config();
  config.intake = intake;
  Tus tus(config);
  tus.make(1'000);
  intake->set_back_pressure(true);
  Connection one = tus.connect();
  one.say(patch_head(kResource, 0, 1'000));
  for (int i = 0; i < 20; ++i) one.say("x");
  EXPECT_GT(tus.engine().counters().segments_put_off.get(), 0u);
}

// A conflict costs its client three requests, and is refused from then on like what has a verdict.
TEST(TusEvasion, RefusalsForAReasonPushOutNoneThatHaveAVerdict) {
  Tus tus;
  tus.make(20);
  tus.connect().say(patch_head(kResource, 0, 20) + kText.substr(0, 8));
  tus.decide(true);
  tus.wait(std::chrono::seconds(10));  // they would be the last to expire
  for (int i = 0; i < 1'000; ++i) {
    const std::string resource = "/files/" + std::to_string(i);
    tus.make(20, resource);
    Connection one = tus.connect();
    one.say(patch_head(resource, 0, 20) + kText.substr(0, 8));
    one.reset();
    tus.connect().say(patch(resource, 0, std::string(20, 'x')));
    tus.wait(std::chrono::seconds(5));  // for its connections to be forgotten
  }
  EXPECT_EQ(tus.reason(DataplaneReason::upload_conflict), 1'000u);
  tus.take_payload(Side::kClient);
  EXPECT_EQ(tus.connect().say(patch(kResource, 8, kText.substr(8))), "");
  EXPECT_TRUE(is_refusal(tus.take_payload(Side::kClient)));
}

TEST(TusEvasion, PartsAreNotPutOffWhoseBytesNobodyWants) {
  const auto intake = std::make_shared<Intake>();
  DataplaneConfig config = tus_config();
  config.intake = intake;
  Tus tus(config);
  tus.make(1'000);
  tus.sink.append_result = SinkResult::kEnough;
  Connection one = tus.connect();
  one.say(patch_head(kResource, 0, 1'000) + "x");
  intake->set_back_pressure(true);
  for (int i = 0; i < 20; ++i) one.say("x");
  EXPECT_EQ(tus.engine().counters().segments_put_off.get(), 0u);
}

}  // namespace
}  // namespace soundgate::test
