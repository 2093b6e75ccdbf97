// tus through the engine: many requests on many connections are one upload, and what was blocked
// stays blocked.
#include "dataplane/gate/intake.h"
#include "dataplane/gate/shared_resources.h"
#include "tests/dataplane/tus_ends.h"

namespace soundgate::test {
namespace {

TEST(Resumable, PartsOnSeveralConnectionsAreOneUpload) {
  Tus tus;
  tus.make(20);
  Connection one = tus.connect();
  const std::string first = patch(kResource, 0, kText.substr(0, 8));
  EXPECT_EQ(one.say(first), first);  // nothing of it is held
  one.answer(stored(8));
  Connection two = tus.connect();
  const std::string second = patch(kResource, 8, kText.substr(8, 5));
  EXPECT_EQ(two.say(second), second);
  two.answer(stored(13));
  EXPECT_FALSE(tus.only().finished);
  const std::string third = patch(kResource, 13, kText.substr(13));
  EXPECT_EQ(two.say(third), third.substr(0, third.size() - 1));  // the last byte is
  EXPECT_TRUE(tus.only().finished);
  EXPECT_EQ(tus.only().body, kText);
  EXPECT_EQ(tus.only().body_bytes, 20);
  EXPECT_EQ(tus.only().resource, "a" + kResource);
  tus.decide(false);
  EXPECT_EQ(tus.take_payload(Side::kOrigin), "j");
  EXPECT_EQ(two.answer(stored(20)), stored(20));
  EXPECT_EQ(tus.report().outcome, GateOutcome::kReleased);
  EXPECT_EQ(tus.report().parts, 3u);
  EXPECT_EQ(tus.report().connections, 2u);
  tus.expect_all_given_back();
}

TEST(Resumable, LocationsMayBeAbsoluteOrRelative) {
  for (const char* location : {"http://a/files/x1", "//a/files/x1", "/files/x1", "/files/./y/../x1",
                               "http://A:80/files/x1", "files/x1"}) {
    Tus tus;
    tus.make(20, location);
    Connection one = tus.connect();
    one.ask(patch("/files/x1", 0, kText.substr(0, 8)), stored(8));
    EXPECT_EQ(tus.only().body_bytes, 20) << location;
    EXPECT_TRUE(tus.only().reports.empty()) << location;
  }
}

TEST(Resumable, AQueryOfTheClientsOwnChangesNothing) {
  Tus tus;
  tus.make(20);
  Connection one = tus.connect();
  one.ask(patch(kResource + "?token=1", 0, kText.substr(0, 8)), stored(8));
  one.ask(patch(kResource + "?token=2", 8, kText.substr(8, 4)), stored(12));
  EXPECT_EQ(tus.only().body, kText.substr(0, 12));
}

TEST(Resumable, ABlockHalfWayRefusesThatPartAndAllLaterOnes) {
  Tus tus;
  tus.make(20);
  Connection one = tus.connect();
  one.say(patch_head(kResource, 0, 10) + kText.substr(0, 5));
  tus.decide(true);
  EXPECT_TRUE(is_refusal(tus.take_payload(Side::kClient)));
  EXPECT_EQ(tus.report().outcome, GateOutcome::kBlocked);
  for (const std::string& resource :
       {kResource, kResource + "?x=1", kResource + "/", "/other" + kResource,
        std::string("/files/0123456789ABCDEF0123"), std::string("/files/%30123456789abcdef0123")}) {
    Connection later = tus.connect();
    EXPECT_EQ(later.say(patch(resource, 5, kText.substr(5))), "") << resource;
    const std::string answer = tus.take_payload(Side::kClient);
    EXPECT_TRUE(is_refusal(answer)) << resource;
    EXPECT_NE(answer.find("\"upload_id\":\"u\""), std::string::npos);
  }
  EXPECT_EQ(tus.engine().counters().parts_refused.get(), 6u);
  EXPECT_EQ(tus.sink.records.size(), 1u);  // one row, whatever comes later
  // An hour later, too; and as a part of a concatenation.
  tus.wait(std::chrono::hours(1));
  Connection final = tus.connect();
  EXPECT_EQ(final.say(creation("Upload-Concat: final;/files/other " + kResource + "\r\n")), "");
  EXPECT_TRUE(is_refusal(tus.take_payload(Side::kClient)));
  // What asks how far it is may go on: it changes nothing.
  Connection asking = tus.connect();
  EXPECT_NE(asking.say(status_request(kResource)), "");
  tus.wait(std::chrono::hours(24));
  Connection next_day = tus.connect();
  EXPECT_NE(next_day.say(patch(kResource, 5, kText.substr(5))), "");
}

// The rest of it is held already, by another name, when it is blocked.
TEST(Resumable, ABlockRefusesWhatIsHeldUnderAnotherName) {
  Tus tus;
  tus.make(20);
  tus.connect().ask(patch(kResource, 0, kText.substr(0, 4)), stored(4));
  const std::string rest = patch("/other" + kResource, 4, kText.substr(4));
  EXPECT_EQ(tus.connect().say(rest), rest.substr(0, rest.size() - 1));
  ASSERT_EQ(tus.sink.records.size(), 2u);
  GateDecision decision;
  decision.key = tus.sink.records[0].key;
  decision.block = true;
  tus.sink.decisions.push_back(decision);
  tus.wait(std::chrono::milliseconds(1));
  tus.decide(false);
  EXPECT_EQ(tus.take_payload(Side::kOrigin), "");
  EXPECT_TRUE(is_refusal(tus.take_payload(Side::kClient)));
}

// The origin counts bytes: it has all of the resource before such a body ends.
TEST(Resumable, PartsThatAreApartAreHeldAtTheLastByteOfTheResource) {
  const std::string head = "PATCH " + kResource + " HTTP/1.1\r\nHost: a\r\n" + kTus +
                           "Upload-Offset: 5\r\nTransfer-Encoding: chunked\r\n\r\n";
  for (const bool chunked : {false, true}) {
    Tus tus;
    Connection one = tus.connect();
    one.ask(status_request(kResource), status(5, 20));
    if (chunked) {
      EXPECT_EQ(one.say(head + "4\r\n" + kText.substr(5, 4) + "\r\n"),
                head + "4\r\n" + kText.substr(5, 3));
      EXPECT_EQ(one.say("1e\r\n" + kText.substr(9) + "more"),
                kText.substr(8, 1) + "\r\n1e\r\n" + kText.substr(9, 10));
    } else {
      const std::string counted = patch_head(kResource, 5, 35);
      EXPECT_EQ(one.say(counted + kText.substr(5) + "more"), counted + kText.substr(5, 14));
    }
    EXPECT_TRUE(tus.only().finished);
    EXPECT_EQ(tus.only().body, kText.substr(5));
    tus.decide(true);
    EXPECT_TRUE(is_refusal(tus.take_payload(Side::kClient)));
  }
}

TEST(Resumable, ABlockBetweenPartsRefusesTheNext) {
  Tus tus;
  tus.make(20);
  tus.connect().ask(patch(kResource, 0, kText.substr(0, 10)), stored(10));
  tus.decide(true);
  EXPECT_EQ(tus.report().outcome, GateOutcome::kBlocked);
  EXPECT_EQ(tus.connect().say(patch(kResource, 10, kText.substr(10))), "");
  EXPECT_TRUE(is_refusal(tus.take_payload(Side::kClient)));
}

TEST(Resumable, ABlockAtTheLastByteNeverCompletesTheResource) {
  Tus tus;
  tus.make(20);
  Connection one = tus.connect();
  one.ask(patch(kResource, 0, kText.substr(0, 19)), stored(19));
  EXPECT_EQ(one.say(patch(kResource, 19, "j")), patch_head(kResource, 19, 1));
  tus.decide(true);
  EXPECT_EQ(tus.take_payload(Side::kOrigin), "");
  EXPECT_TRUE(is_refusal(tus.take_payload(Side::kClient)));
  EXPECT_EQ(tus.connect().say(patch(kResource, 19, "j")), "");
}

TEST(Resumable, ALiftedRefusalLetsPartsThroughAgain) {
  Tus tus;
  tus.make(20);
  tus.connect().ask(patch(kResource, 0, kText.substr(0, 10)), stored(10));
  tus.decide(true);
  EXPECT_EQ(tus.connect().say(patch(kResource, 10, kText.substr(10))), "");
  EXPECT_TRUE(tus.engine().shared().lift({tus.only().key}));
  EXPECT_FALSE(tus.engine().shared().lift({tus.only().key}));
  Connection again = tus.connect();
  const std::string request = patch(kResource, 10, kText.substr(10));
  EXPECT_EQ(again.say(request), request.substr(0, request.size() - 1));  // looked at apart
  tus.decide(false);
  EXPECT_EQ(tus.take_payload(Side::kOrigin), "j");
  EXPECT_EQ(tus.sink.records.at(1).reports.at(0).reason, DataplaneReason::partial_upload);
}

TEST(Resumable, RefusalsHoldOnOtherLcores) {
  SharedResources shared(HashSeed{5, 6}, tus_sizes().shared);
  Tus first(tus_config(), &shared, 0);
  Tus second(tus_config(), &shared, 1);
  first.make(20);
  first.connect().ask(patch(kResource, 0, kText.substr(0, 10)), stored(10));
  first.decide(true);
  EXPECT_EQ(second.connect().say(patch(kResource, 10, kText.substr(10))), "");
  EXPECT_TRUE(is_refusal(second.take_payload(Side::kClient)));
  EXPECT_TRUE(shared.lift({first.only().key}));
  EXPECT_NE(second.connect().say(patch(kResource, 10, kText.substr(10))), "");
}

TEST(Resumable, TheLcoreOfTheFirstPartFollowsAResource) {
  SharedResources shared(HashSeed{5, 6}, tus_sizes().shared);
  Tus creator(tus_config(), &shared, 0);
  Tus owner(tus_config(), &shared, 1);
  creator.make(20);
  owner.connect().ask(patch(kResource, 0, kText.substr(0, 10)), stored(10));
  EXPECT_EQ(owner.only().body_bytes, 20);
  const std::string rest = patch(kResource, 10, kText.substr(10));
  EXPECT_EQ(creator.connect().say(rest), rest.substr(0, rest.size() - 1));
  creator.decide(false);
  EXPECT_EQ(creator.report().reason, DataplaneReason::partial_upload);
  // The owner has not seen that part, and the origin has.
  owner.connect().ask(status_request(kResource), status(20, 20));
  EXPECT_EQ(owner.report().reason, DataplaneReason::partial_upload);
}

TEST(Resumable, ResumingBehindWhatWasSeenIsComparedAndTakenOnce) {
  Tus tus;
  tus.make(20);
  Connection one = tus.connect();
  one.say(patch_head(kResource, 0, 20) + kText.substr(0, 12));
  one.reset();
  Connection two = tus.connect();
  two.ask(status_request(kResource), status(7, 20));
  const std::string rest = patch(kResource, 7, kText.substr(7));
  EXPECT_EQ(two.say(rest), rest.substr(0, rest.size() - 1));
  EXPECT_EQ(tus.only().body, kText);
  EXPECT_TRUE(tus.only().finished);
  tus.decide(false);
  EXPECT_EQ(tus.take_payload(Side::kOrigin), "j");
  EXPECT_EQ(tus.report().connections, 2u);
}

// Clean bytes that the origin never stored, then others at their place.
TEST(Resumable, BytesThatComeAgainAndDifferAreRefused) {
  Tus tus;
  tus.make(20);
  Connection one = tus.connect();
  one.say(patch_head(kResource, 0, 20) + kText.substr(0, 12));
  one.reset();
  Connection two = tus.connect();
  EXPECT_EQ(two.say(patch_head(kResource, 0, 20)), patch_head(kResource, 0, 20));
  EXPECT_EQ(two.say("BAD"), "");
  EXPECT_TRUE(is_refusal(tus.take_payload(Side::kClient)));
  EXPECT_EQ(tus.report().reason, DataplaneReason::upload_conflict);
  EXPECT_EQ(tus.report().outcome, GateOutcome::kBlockedUnasked);
  EXPECT_EQ(tus.connect().say(patch(kResource, 0, kText)), "");
  EXPECT_EQ(tus.reason(DataplaneReason::upload_conflict), 1u);
}

TEST(Resumable, AConflictThatIsToPassEndsTheInspection) {
  DataplaneConfig config = tus_config();
  config.fail_policy = default_fail_policy();
  config.fail_policy[static_cast<size_t>(DataplaneReason::upload_conflict)] = FailAction::kFlag;
  Tus tus(config);
  tus.make(20);
  Connection one = tus.connect();
  one.say(patch_head(kResource, 0, 20) + kText.substr(0, 12));
  one.reset();
  const std::string other = patch(kResource, 0, "BAD");
  EXPECT_EQ(tus.connect().say(other), other);
  EXPECT_EQ(tus.report().outcome, GateOutcome::kReleasedUnasked);
  const std::string rest = patch(kResource, 3, kText.substr(3));
  EXPECT_EQ(tus.connect().say(rest), rest.substr(0, rest.size() - 1));  // apart
}

TEST(Resumable, AGapIsPartial) {
  Tus tus;
  tus.make(20);
  Connection one = tus.connect();
  one.ask(patch(kResource, 0, kText.substr(0, 5)), stored(5));
  const std::string later = patch(kResource, 9, kText.substr(9));
  EXPECT_EQ(one.say(later), later.substr(0, later.size() - 1));
  ASSERT_EQ(tus.sink.records.size(), 2u);
  EXPECT_EQ(tus.sink.records[0].reports.at(0).reason, DataplaneReason::partial_upload);
  EXPECT_EQ(tus.sink.records[1].body, kText.substr(9));
  tus.decide(true);  // what is known in it blocks all the same
  EXPECT_TRUE(is_refusal(tus.take_payload(Side::kClient)));
  EXPECT_EQ(tus.connect().say(patch(kResource, 9, kText.substr(9))), "");
  tus.expect_all_given_back();
}

TEST(Resumable, WhatNobodySawTheBeginningOfIsPartial) {
  Tus tus;
  Connection one = tus.connect();
  one.ask(status_request(kResource), status(5, 20));
  const std::string rest = patch(kResource, 5, kText.substr(5));
  EXPECT_EQ(one.say(rest), rest.substr(0, rest.size() - 1));
  tus.decide(false);
  EXPECT_EQ(tus.take_payload(Side::kOrigin), "j");
  EXPECT_EQ(tus.report().reason, DataplaneReason::partial_upload);
  EXPECT_EQ(tus.report().outcome, GateOutcome::kReleasedUnasked);
}

TEST(Resumable, ALengthIsLearntFromAStatus) {
  Tus tus;
  Connection one = tus.connect();
  one.ask(status_request(kResource), status(0, 20));
  const std::string all = patch(kResource, 0, kText);
  EXPECT_EQ(one.say(all), all.substr(0, all.size() - 1));
  EXPECT_EQ(tus.only().body_bytes, 20);
  tus.decide(false);
  EXPECT_EQ(tus.report().outcome, GateOutcome::kReleased);
}

TEST(Resumable, ADeferredLengthComesWithAPart) {
  Tus tus;
  Connection one = tus.connect();
  one.ask(creation("Upload-Defer-Length: 1\r\n"), created(kResource));
  one.ask(patch(kResource, 0, kText.substr(0, 12)), stored(12));
  EXPECT_EQ(tus.only().body_bytes, -1);
  const std::string last = patch(kResource, 12, kText.substr(12), length_header(20));
  EXPECT_EQ(one.say(last), last.substr(0, last.size() - 1));
  tus.decide(false);
  EXPECT_EQ(tus.take_payload(Side::kOrigin), "j");
}

// It would complete the resource with no byte that could be held.
TEST(Resumable, ADeferredLengthWithoutABodyIsHeldAtItsHead) {
  for (const bool block : {false, true}) {
    Tus tus;
    Connection one = tus.connect();
    one.ask(creation("Upload-Defer-Length: 1\r\n"), created(kResource));
    one.ask(patch(kResource, 0, kText), stored(20));
    const std::string end = patch(kResource, 20, "", length_header(20));
    EXPECT_EQ(one.say(end), end.substr(0, end.size() - 1));
    EXPECT_TRUE(tus.only().finished);
    tus.decide(block);
    EXPECT_EQ(tus.take_payload(Side::kOrigin), block ? "" : "\n");
    EXPECT_EQ(is_refusal(tus.take_payload(Side::kClient)), block);
  }
}

TEST(Resumable, ChunkedPartsAreHeldAtTheLastByteOfTheResource) {
  Tus tus;
  tus.make(20);
  Connection one = tus.connect();
  const std::string head = "PATCH " + kResource + " HTTP/1.1\r\nHost: a\r\n" + kTus +
                           "Upload-Offset: 0\r\nTransfer-Encoding: chunked\r\n\r\n";
  const std::string first = head + "8\r\n" + kText.substr(0, 8) + "\r\n0\r\n\r\n";
  EXPECT_EQ(one.say(first), first);
  one.answer(stored(8));
  std::string second = head;
  second.replace(second.find("Offset: 0"), 9, "Offset: 8");
  EXPECT_EQ(one.say(second + "4\r\n" + kText.substr(8, 4) + "\r\n8\r\n" + kText.substr(12)),
            second + "4\r\n" + kText.substr(8, 4) + "\r\n8\r\n" + kText.substr(12, 7));
  EXPECT_TRUE(tus.only().finished);  // whatever framing follows
  EXPECT_EQ(one.say("\r\n0\r\n\r\n"), "");
  tus.decide(false);
  EXPECT_EQ(tus.take_payload(Side::kOrigin), "j\r\n0\r\n\r\n");
}

TEST(Resumable, MoreThanTheLengthIsHeldAtTheLength) {
  Tus tus;
  tus.make(20);
  Connection one = tus.connect();
  const std::string head = patch_head(kResource, 0, 25);
  EXPECT_EQ(one.say(head + kText + "extra"), head + kText.substr(0, 19));
  EXPECT_EQ(tus.only().body, kText);
  tus.decide(true);
  EXPECT_TRUE(is_refusal(tus.take_payload(Side::kClient)));
}

TEST(Resumable, ANewConnectionEndsTheOneBefore) {
  Tus tus;
  tus.make(20);
  Connection one = tus.connect();
  one.say(patch_head(kResource, 0, 20) + kText.substr(0, 12));
  Connection two = tus.connect();
  const std::string rest = patch(kResource, 10, kText.substr(10));
  EXPECT_EQ(two.say(rest), rest.substr(0, rest.size() - 1));
  EXPECT_EQ(one.say(kText.substr(12)), "");
  EXPECT_EQ(tus.only().body, kText);
  tus.decide(false);
  EXPECT_EQ(tus.take_payload(Side::kOrigin), "j");
}

TEST(Resumable, PartsThatComeAgainAfterTheVerdictMustBeTheSame) {
  for (const bool same : {true, false}) {
    Tus tus;
    tus.make(20);
    Connection one = tus.connect();
    one.say(patch(kResource, 0, kText));
    tus.decide(false);
    EXPECT_EQ(tus.report().outcome, GateOutcome::kReleased);
    one.reset();  // the origin has stored nothing of it
    const std::string again = patch(kResource, 0, same ? kText : "BAD" + kText.substr(3));
    EXPECT_EQ(tus.connect().say(again), same ? again : "");
    EXPECT_EQ(is_refusal(tus.take_payload(Side::kClient)), !same);
    EXPECT_EQ(tus.sink.records.size(), 1u);
    tus.expect_all_given_back();
  }
}

TEST(Resumable, AVerdictThatComesWhileNobodyWaitsIsKept) {
  Tus tus;
  tus.make(20);
  Connection one = tus.connect();
  one.say(patch(kResource, 0, kText));
  one.reset();
  tus.decide(false);
  const std::string again = patch(kResource, 19, "j");
  EXPECT_EQ(tus.connect().say(again), again);
}

// The origin did not take the part; what comes behind it can only follow somebody else's bytes.
TEST(Resumable, NothingFollowsAPartThatTheOriginRejected) {
  Tus tus;
  tus.make(20);
  Connection one = tus.connect();
  one.ask(patch(kResource, 0, kText.substr(0, 8)),
          "HTTP/1.1 409 Conflict\r\n" + kTus + "Content-Length: 0\r\n\r\n");
  const std::string next = patch(kResource, 8, kText.substr(8));
  one.say(next);
  EXPECT_EQ(tus.sink.records.size(), 2u);
  EXPECT_EQ(tus.sink.records[0].reports.at(0).reason, DataplaneReason::partial_upload);
}

TEST(Resumable, AnotherNameForTheSameResourceIsNotTrusted) {
  Tus tus;
  tus.make(20);
  Connection one = tus.connect();
  one.say(patch("/x" + kResource, 0, kText.substr(0, 8)));
  tus.decide(false);
  one.answer(stored(8));
  Connection two = tus.connect();
  two.say(patch(kResource, 0, std::string(8, 'c')));
  two.reset();
  tus.connect().say(patch(kResource, 8, kText.substr(8)));
  for (const RecordingSink::Record& record : tus.sink.records) {
    if (record.reports.empty()) continue;
    EXPECT_NE(record.reports.at(0).reason, DataplaneReason::kNone) << record.resource;
  }
  EXPECT_GE(tus.sink.records.size(), 3u);
}

// Two names, one of them learnt while the origin had nothing: bytes come by the one, and others
// that are never stored by the other.
TEST(Resumable, ASecondNameIsNotLearntFromAStatus) {
  Tus tus;
  tus.make(20);
  Connection one = tus.connect();
  one.ask(status_request("/x" + kResource), status(0, 20));
  const std::string bad = patch("/x" + kResource, 0, kText.substr(0, 8));
  EXPECT_EQ(one.say(bad), bad.substr(0, bad.size() - 1));  // apart
  tus.decide(false);
  EXPECT_EQ(tus.report().reason, DataplaneReason::partial_upload);
}

// Only an origin that says so knows tus: another takes one part for a whole upload.
TEST(Resumable, AnOriginThatDoesNotKnowTusIsNotBelieved) {
  Tus tus;
  Connection one = tus.connect();
  one.ask(creation(length_header(1'000)),
          "HTTP/1.1 201 Created\r\nLocation: " + kResource + "\r\nContent-Length: 0\r\n\r\n");
  const std::string all = patch(kResource, 0, kText);
  EXPECT_EQ(one.say(all), all.substr(0, all.size() - 1));
  tus.decide(true);
  EXPECT_TRUE(is_refusal(tus.take_payload(Side::kClient)));
}

std::string creation_with(const std::string& body, uint64_t length) {
  return "POST /files HTTP/1.1\r\nHost: a\r\n" + kTus + length_header(length) +
         "Content-Type: application/offset+octet-stream\r\nContent-Length: " +
         std::to_string(body.size()) + "\r\n\r\n" + body;
}

TEST(Resumable, ACreationMayBringTheFirstPart) {
  Tus tus;
  tus.make(5, "/files/another");  // now it is known that /files is tus
  Connection one = tus.connect();
  const std::string request = creation_with(kText.substr(0, 8), 20);
  EXPECT_EQ(one.say(request), request);
  one.answer(created(kResource, "Upload-Offset: 8\r\n"));
  const std::string rest = patch(kResource, 8, kText.substr(8));
  EXPECT_EQ(one.say(rest), rest.substr(0, rest.size() - 1));
  EXPECT_EQ(tus.only().body, kText);
  tus.decide(true);
  EXPECT_TRUE(is_refusal(tus.take_payload(Side::kClient)));
  EXPECT_EQ(tus.connect().say(patch(kResource, 19, "j")), "");
}

TEST(Resumable, ACreationWithAllOfItIsAnUploadLikeAnyOther) {
  Tus tus;
  Connection one = tus.connect();
  const std::string request = creation_with(kText, 20);
  EXPECT_EQ(one.say(request), request.substr(0, request.size() - 1));
  tus.decide(true);
  EXPECT_EQ(tus.report().outcome, GateOutcome::kBlocked);
}

TEST(Resumable, AFirstPartForAnUnknownOriginIsHeld) {
  Tus tus;
  Connection one = tus.connect();
  const std::string request = creation_with(kText.substr(0, 8), 20);
  EXPECT_EQ(one.say(request), request.substr(0, request.size() - 1));
  tus.decide(false);
  EXPECT_EQ(tus.report().reason, DataplaneReason::partial_upload);
}

TEST(Resumable, AnyMethodMayBeOverridden) {
  for (const char* method : {"POST", "GET", "PUT"}) {
    Tus tus;
    tus.make(20);
    Connection one = tus.connect();
    std::string request = patch(kResource, 0, kText, "X-HTTP-Method-Override: patch\r\n");
    request.replace(0, 5, method);
    EXPECT_EQ(one.say(request), request.substr(0, request.size() - 1)) << method;
    EXPECT_EQ(tus.only().body, kText);
  }
}

TEST(Resumable, NumbersThatMayBeReadInTwoWaysAreRefused) {
  for (const char* offset : {"Upload-Offset: +0", "Upload-Offset: 0x0", "Upload-Offset: 0, 5",
                             "Upload-Offset: 0\r\nUpload-Offset: 5", "Upload-Offset: ",
                             "Upload-Offset: 99999999999999999999", "Upload-Offset: -1"}) {
    Tus tus;
    tus.make(20);
    Connection one = tus.connect();
    std::string request = patch(kResource, 0, kText);
    request.replace(request.find("Upload-Offset: 0"), 16, offset);
    EXPECT_EQ(one.say(request), "") << offset;
    EXPECT_TRUE(is_refusal(tus.take_payload(Side::kClient))) << offset;
    EXPECT_EQ(tus.reason(DataplaneReason::http_ambiguous), 1u);
  }
}

TEST(Resumable, PiecesOfOtherKindsArePartial) {
  const std::string plain = "Content-Length: 10\r\n";
  for (const auto& [target, header] :
       {std::pair("/b/o?partNumber=2&uploadId=x", ""),
        std::pair("/b/o?uploadId=x&partNumber=1", ""),
        std::pair("/c/blob?comp=block&blockid=AA", ""),
        std::pair("/c/blob?blockid=AA&COMP=Block", ""), std::pair("/c/blob?comp=appendblock", ""),
        std::pair("/o", "Content-Range: bytes 0-9/20\r\n"),
        std::pair("/o", "Content-Range: bytes 10-19/20\r\n"),
        std::pair("/o", "Content-Range: bytes 0-9/*\r\n"),
        std::pair("/o", "Content-Range: bytes 0-9/10\r\nContent-Range: bytes 0-9/20\r\n"),
        std::pair("/o", "X-Goog-Upload-Command: upload\r\nX-Goog-Upload-Offset: 0\r\n"),
        std::pair("/o", "X-Goog-Upload-Command: upload, finalize\r\nX-Goog-Upload-Offset: 5\r\n"),
        std::pair("/o", "Upload-Complete: ?0\r\n"), std::pair("/o", "Upload-Offset: 0\r\n")}) {
    Tus tus;
    Connection one = tus.connect();
    const std::string request = "PUT " + std::string(target) + " HTTP/1.1\r\nHost: a\r\n" + header +
                                plain + "\r\n0123456789";
    EXPECT_EQ(one.say(request), request.substr(0, request.size() - 1)) << target << header;
    EXPECT_EQ(tus.only().body, "0123456789");
    EXPECT_EQ(tus.only().resource,
              "a" + std::string(target).substr(0, std::string(target).find('?')));
    tus.decide(false);
    EXPECT_EQ(tus.take_payload(Side::kOrigin), "9");
    EXPECT_EQ(tus.report().reason, DataplaneReason::partial_upload) << target << header;
  }
  for (const char* header :
       {"Content-Range: bytes 0-9/10\r\n",
        "X-Goog-Upload-Command: upload, finalize\r\nX-Goog-Upload-Offset: 0\r\n"}) {
    Tus tus;
    tus.connect().say("PUT /o?comp=blocklist HTTP/1.1\r\nHost: a\r\n" + std::string(header) +
                      plain + "\r\n0123456789");
    tus.decide(false);
    EXPECT_EQ(tus.report().reason, DataplaneReason::kNone) << header;
  }
}

TEST(Resumable, PartialUploadsAreRefusedWherePolicySaysSo) {
  DataplaneConfig config = tus_config();
  config.fail_policy = default_fail_policy();
  config.fail_policy[static_cast<size_t>(DataplaneReason::partial_upload)] = FailAction::kBlock;
  Tus tus(config);
  tus.connect().say(
      "PUT /b/o?partNumber=2&uploadId=x HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\n"
      "\r\n0123456789");
  tus.decide(false);
  EXPECT_TRUE(is_refusal(tus.take_payload(Side::kClient)));
  EXPECT_EQ(tus.report().outcome, GateOutcome::kBlockedUnasked);
}

TEST(Resumable, WhatIsToBeConcatenatedIsInspectedAndFlagged) {
  for (const bool block : {false, true}) {
    Tus tus;
    Connection one = tus.connect();
    one.ask(creation(length_header(20) + "Upload-Concat: partial\r\n"), created(kResource));
    one.ask(patch(kResource, 0, kText.substr(0, 8)), stored(8));
    one.say(patch(kResource, 8, kText.substr(8)));
    EXPECT_EQ(tus.only().body, kText);
    tus.decide(block);
    EXPECT_EQ(tus.report().outcome, block ? GateOutcome::kBlocked : GateOutcome::kReleasedUnasked);
    EXPECT_EQ(tus.report().reason,
              block ? DataplaneReason::kNone : DataplaneReason::partial_upload);
    tus.seen.clear();
    EXPECT_EQ(tus.connect().say(creation("Upload-Concat: final;" + kResource + "\r\n")).empty(),
              block);
  }
}

TEST(Resumable, ResourcesThatStandStillAreForgotten) {
  DataplaneConfig config = tus_config();
  config.resumable_idle = std::chrono::seconds(600);
  Tus tus(config);
  tus.make(20);
  tus.connect().ask(patch(kResource, 0, kText.substr(0, 8)), stored(8));
  tus.wait(std::chrono::seconds(599));
  EXPECT_TRUE(tus.only().reports.empty());
  tus.wait(std::chrono::seconds(2));
  EXPECT_EQ(tus.report().outcome, GateOutcome::kAborted);
  EXPECT_EQ(tus.report().reason, DataplaneReason::client_gone);
  EXPECT_EQ(tus.engine().resources_in_use(), 0u);
  EXPECT_EQ(tus.engine().seen_blocks_in_use(), 0u);
  const std::string rest = patch(kResource, 8, kText.substr(8));
  EXPECT_EQ(tus.connect().say(rest), rest.substr(0, rest.size() - 1));  // apart
}

TEST(Resumable, TerminationEndsTheUpload) {
  Tus tus;
  tus.make(20);
  Connection one = tus.connect();
  one.ask(patch(kResource, 0, kText.substr(0, 8)), stored(8));
  one.ask("DELETE " + kResource + " HTTP/1.1\r\nHost: a\r\n" + kTus + "\r\n",
          "HTTP/1.1 204 No Content\r\n" + kTus + "\r\n");
  EXPECT_EQ(tus.report().outcome, GateOutcome::kAborted);
  EXPECT_EQ(tus.report().reason, DataplaneReason::client_gone);
}

TEST(Resumable, TheOneIdleForTheLongestMakesRoom) {
  Tus tus;
  for (int i = 0; i < 5; ++i) {  // there is room for four
    const std::string resource = kResource + std::to_string(i);
    tus.make(20, resource);
    tus.connect().ask(patch(resource, 0, kText.substr(0, 8)), stored(8));
  }
  EXPECT_EQ(tus.engine().resources_in_use(), 4u);
  EXPECT_EQ(tus.sink.records[0].reports.at(0).reason, DataplaneReason::overload);
  tus.expect_all_given_back();
}

TEST(Resumable, ObservingNothingIsHeldAndTheVerdictIsOnTheWhole) {
  Tus tus(tus_config(Mode::kObserve));
  tus.make(20);
  Connection one = tus.connect();
  one.ask(patch(kResource, 0, kText.substr(0, 8)), stored(8));
  const std::string last = patch(kResource, 8, kText.substr(8));
  EXPECT_EQ(one.say(last), last);
  EXPECT_TRUE(tus.only().finished);
  EXPECT_EQ(tus.only().body, kText);
  EXPECT_EQ(tus.report().outcome, GateOutcome::kReleasedUnasked);
  EXPECT_EQ(tus.report().reason, DataplaneReason::kNone);
}

TEST(Resumable, TheDeadlineLetsGoAndAllStaysKnown) {
  Tus tus;
  tus.make(20);
  Connection one = tus.connect();
  one.say(patch(kResource, 0, kText));
  tus.wait(std::chrono::seconds(3));
  EXPECT_EQ(tus.take_payload(Side::kOrigin), "j");
  EXPECT_EQ(tus.report().reason, DataplaneReason::hold_deadline);
  tus.expect_all_given_back();
}

TEST(Resumable, ADeadlineThatBlocksIsNotCircumventedWithTheLastByteAlone) {
  DataplaneConfig config = tus_config();
  config.fail_policy = default_fail_policy();
  config.fail_policy[static_cast<size_t>(DataplaneReason::hold_deadline)] = FailAction::kBlock;
  Tus tus(config);
  tus.make(20);
  tus.connect().say(patch(kResource, 0, kText));
  tus.wait(std::chrono::seconds(3));
  EXPECT_TRUE(is_refusal(tus.take_payload(Side::kClient)));
  EXPECT_EQ(tus.connect().say(patch(kResource, 19, "j")), "");
}

TEST(Resumable, SmallPartsOfALargeUploadAreInspected) {
  DataplaneConfig config = tus_config();
  config.inspect[0].body_bytes_min = 15;
  Tus tus(config);
  tus.make(20);
  tus.connect().ask(patch(kResource, 0, kText.substr(0, 8)), stored(8));
  EXPECT_EQ(tus.only().body, kText.substr(0, 8));
  tus.make(10, kResource + "small");
  const std::string small = patch(kResource + "small", 0, kText.substr(0, 10));
  EXPECT_EQ(tus.connect().say(small), small);
  EXPECT_EQ(tus.sink.records.size(), 1u);
}

// What operators say of new uploads is not about a resource that is on its way, nor about one that
// was blocked.
DataplaneConfig operated_config(const std::shared_ptr<Intake>& intake) {
  DataplaneConfig config = tus_config();
  config.intake = intake;
  return config;
}

TEST(Resumable, ADrainPassesNewResourcesAndFollowsThoseOnTheirWay) {
  const auto intake = std::make_shared<Intake>();
  Tus tus(operated_config(intake));
  tus.make(20);
  tus.make(20, "/files/of-the-drain");
  tus.connect().ask(patch(kResource, 0, kText.substr(0, 8)), stored(8));
  intake->set_draining(true);
  const std::string fresh = patch("/files/of-the-drain", 0, kText);
  EXPECT_EQ(tus.connect().say(fresh), fresh);
  EXPECT_EQ(tus.sink.records.at(1).reports.at(0).reason, DataplaneReason::draining);
  const std::string rest = patch(kResource, 8, kText.substr(8));
  EXPECT_EQ(tus.connect().say(rest), rest.substr(0, rest.size() - 1));
  EXPECT_EQ(tus.sink.records.at(0).body, kText);
  tus.decide_on(0, true);
  EXPECT_EQ(tus.sink.records.at(0).reports.at(0).outcome, GateOutcome::kBlocked);
  EXPECT_EQ(tus.take_payload(Side::kOrigin), "");
  tus.expect_all_given_back();
}

TEST(Resumable, WhatWasBlockedStaysRefusedForWhoeverIsSkipped) {
  const auto intake = std::make_shared<Intake>();
  Tus tus(operated_config(intake));
  tus.make(20);
  tus.connect().say(patch_head(kResource, 0, 20) + kText.substr(0, 8));
  tus.decide(true);
  tus.take_payload(Side::kClient);
  SkipRule host = parse_skip_rule("a").value();
  host.until = WallTime(std::chrono::hours(1));
  intake->set_skips({host});
  const std::string fresh = patch("/files/fresh", 8, kText);
  EXPECT_EQ(tus.connect().say(fresh), fresh);
  EXPECT_EQ(tus.sink.records.back().reports.at(0).reason, DataplaneReason::skipped);
  EXPECT_EQ(tus.connect().say(patch(kResource, 8, kText.substr(8))), "");
  EXPECT_TRUE(is_refusal(tus.take_payload(Side::kClient)));
  EXPECT_EQ(tus.sink.records.size(), 2u);
}

// With a part on its way, and with none.
TEST(Resumable, AnOperatorLetsOneGo) {
  for (const bool is_idle : {false, true}) {
    Tus tus;
    tus.make(20);
    Connection one = tus.connect();
    const std::string all = patch(kResource, 0, kText);
    if (is_idle) {
      one.ask(patch(kResource, 0, kText.substr(0, 8)), stored(8));
    } else {
      EXPECT_EQ(one.say(all), all.substr(0, all.size() - 1));
    }
    tus.decide_on(0, false, DataplaneReason::operator_release);
    EXPECT_EQ(tus.take_payload(Side::kOrigin), is_idle ? "" : "j");
    EXPECT_EQ(tus.report().outcome, GateOutcome::kReleasedUnasked);
    EXPECT_EQ(tus.report().reason, DataplaneReason::operator_release);
    tus.expect_all_given_back();
  }
}

TEST(Resumable, AfterADrainWhatPassedUncheckedIsPartial) {
  const auto intake = std::make_shared<Intake>();
  Tus tus(operated_config(intake));
  tus.make(20);
  intake->set_draining(true);
  tus.connect().ask(patch(kResource, 0, kText.substr(0, 8)), stored(8));
  intake->set_draining(false);
  tus.connect().say(patch(kResource, 8, kText.substr(8)));
  tus.decide_on(1, false);
  EXPECT_EQ(tus.sink.records.at(1).reports.at(0).reason, DataplaneReason::partial_upload);
}

TEST(Resumable, ShutdownClosesAll) {
  Tus tus;
  tus.make(20);
  tus.connect().ask(patch(kResource, 0, kText.substr(0, 8)), stored(8));
  tus.engine().shut_down();
  EXPECT_EQ(tus.report().reason, DataplaneReason::shutdown);
  EXPECT_EQ(tus.engine().resources_in_use(), 0u);
}

}  // namespace
}  // namespace soundgate::test
