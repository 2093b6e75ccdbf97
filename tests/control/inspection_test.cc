// The way of an upload from the lcore's sink to its row, in every order in which the verdict, the
// last byte and the gate can come.
#include <gtest/gtest.h>
#include <unistd.h>

#include <nlohmann/json.hpp>
#include <thread>

#include "control/inspection/lcore_sink.h"
#include "control/inspection/recorder.h"
#include "control/inspection/upload_matcher.h"
#include "control/log.h"
#include "control/text.h"
#include "tests/control/fakes.h"

namespace soundgate {
namespace {

using Json = nlohmann::ordered_json;

class InspectionTest : public testing::Test {
 protected:
  InspectionTest() {
    set_log_level("error");
    std::filesystem::create_directories(folder_);
    store_ = std::move(DecisionStore::open(folder_).value());
    channels_.push_back(std::make_unique<UploadChannel>(0));
    recorder_ = std::make_unique<Recorder>(*store_, channels_,
                                           Recorder::Settings{{}, "policy-1", {}, &refused_});
    matcher_ = std::make_unique<UploadMatcher>(
        index_, policy_, channels_, true, [this](uint64_t tag) { recorder_->verdict_ready(tag); });
    sink_ = std::make_unique<LcoreSink>(*channels_[0], producer_, false, 42);
    recorder_->start();
  }
  ~InspectionTest() override {
    recorder_->stop();
    store_.reset();
    std::filesystem::remove_all(folder_);
  }

  void expect_block() {
    Match match;
    match.bank.name = "spam";
    match.bank.action = Action::kBlock;
    match.content_id = "id";
    match.query_match_seconds = 30;
    index_.matches = {match};
  }

  void expect_certain_block() {
    expect_block();
    index_.decisive.swap(index_.matches);
  }

  SinkResult begin(uint64_t key, Mode mode = Mode::kEnforce) {
    return sink_->begin({.key = UploadKey{key},
                         .mode = mode,
                         .first_byte = start_,
                         .method = "PUT",
                         .host = "origin",
                         .path = "/song.mp3",
                         .client = "192.0.2.7:4000",
                         .request_id = "r1",
                         .uploader = "",
                         .content_type = "audio/mpeg",
                         .body_bytes = 1000,
                         .part = 2,
                         .file_name = "song.mp3"});
  }
  SinkResult append(uint64_t key) {
    const std::array<std::byte, 100> body{};
    return sink_->append(UploadKey{key}, body);
  }
  void finish(uint64_t key) { sink_->finish(UploadKey{key}, start_ + std::chrono::seconds(10)); }
  void close(uint64_t key, GateOutcome outcome, DataplaneReason reason = DataplaneReason::kNone) {
    sink_->gate_closed({UploadKey{key}, outcome, reason, start_ + std::chrono::seconds(11)});
  }
  void items() {
    const std::vector<Item> items(100, 1);
    matcher_->on_items(producer_.last().tag, 0, items);
  }
  void end(DecodeOutcome outcome = DecodeOutcome::decoded) {
    matcher_->on_end(producer_.last().tag,
                     {.outcome = outcome, .decoded_seconds = 12, .duration_seconds = 12});
  }
  std::vector<GateDecision> decisions() {
    std::array<GateDecision, 8> decisions;
    const size_t count = sink_->poll_decisions(decisions);
    return {decisions.begin(), decisions.begin() + static_cast<ptrdiff_t>(count)};
  }
  // The latest row, of so many at least.
  Json row(size_t count = 1) {
    recorder_->settle(std::chrono::seconds(5));
    const auto rows = store_->page({}).value().rows;
    if (rows.size() >= count) return Json::parse(rows.back());
    ADD_FAILURE() << "no row was written";
    return {};
  }

  const std::filesystem::path folder_ =
      std::filesystem::temp_directory_path() / ("inspection_test_" + std::to_string(getpid()));
  // Now, or its items would be too old to keep; whole seconds, so that sums are exact.
  const WallTime start_ =
      std::chrono::floor<std::chrono::seconds>(std::chrono::system_clock::now());
  FakeIndex index_;
  FakeProducer producer_;
  FailPolicy policy_;
  std::unique_ptr<DecisionStore> store_;
  std::vector<std::unique_ptr<UploadChannel>> channels_;
  RefusedUploads refused_;
  std::unique_ptr<Recorder> recorder_;
  std::unique_ptr<UploadMatcher> matcher_;
  std::unique_ptr<LcoreSink> sink_;
};

TEST_F(InspectionTest, AMatchBlocksOnceTheLastByteIsThere) {
  expect_block();
  EXPECT_EQ(begin(1), SinkResult::kTaken);
  EXPECT_EQ(append(1), SinkResult::kTaken);
  items();
  finish(1);
  EXPECT_TRUE(producer_.last().finished);
  EXPECT_TRUE(decisions().empty());  // not before the decoder is through
  end();
  const auto sent = decisions();
  ASSERT_EQ(sent.size(), 1u);
  EXPECT_EQ(sent[0].key, UploadKey{1});
  EXPECT_TRUE(sent[0].block);
  close(1, GateOutcome::kBlocked);

  const Json json = row();
  EXPECT_EQ(json["upload_id"], sent[0].upload_id);
  EXPECT_EQ(json["verdict"], "block");
  EXPECT_EQ(json["reason"], "match");
  EXPECT_EQ(json["enforced"], true);
  EXPECT_EQ(json["bytes"], 1000);
  EXPECT_EQ(json["index_version"], 7);
  EXPECT_EQ(json["policy_version"], "policy-1");
  EXPECT_EQ(json["request"]["path"], "/song.mp3");
  EXPECT_EQ(json["request"]["part"], 2);
  EXPECT_EQ(json["request"]["file_name"], "song.mp3");
  EXPECT_EQ(json["timings"]["last_byte"], epoch_seconds(start_) + 10);
  EXPECT_EQ(json["timings"]["released"], epoch_seconds(start_) + 11);
  EXPECT_EQ(store_->fingerprint(json["upload_id"]).value().items.size(), 100u);
}

TEST_F(InspectionTest, ACertainBlockStopsTheUpload) {
  expect_certain_block();
  begin(1);
  append(1);
  items();
  const auto sent = decisions();
  ASSERT_EQ(sent.size(), 1u);
  EXPECT_EQ(sent[0].key, UploadKey{1});
  EXPECT_TRUE(sent[0].block);
  close(1, GateOutcome::kBlocked);
  EXPECT_TRUE(producer_.last().cancelled);  // the decoder need not go on

  const Json json = row();
  EXPECT_EQ(json["verdict"], "block");
  EXPECT_EQ(json["reason"], "match");
  EXPECT_EQ(json["enforced"], true);
  EXPECT_EQ(json["checked"], "partial");
  EXPECT_EQ(json["matches"].size(), 1u);
  EXPECT_EQ(json["index_version"], 7);
  EXPECT_EQ(json["early"]["stopped"], true);
  EXPECT_EQ(json["early"]["bytes"], 100);
  const double heard = 99 * kItemSeconds + kItemSpanSeconds;
  EXPECT_NEAR(json["early"]["heard_seconds"], heard, 0.001);
  EXPECT_NEAR(json["coverage"]["decoded_seconds"], heard, 0.001);
  EXPECT_TRUE(json["decode"].is_null());
  EXPECT_TRUE(json["timings"]["last_byte"].is_null());
  EXPECT_EQ(store_->fingerprint(json["upload_id"]).value().items.size(), 100u);
  const RecorderCounters counters = recorder_->counters();
  EXPECT_EQ(counters.early_stopped, 1u);
  EXPECT_EQ(counters.early_spared_bytes, 900u);
}

TEST_F(InspectionTest, AnUploadInPartsIsOneRowAndItsBlockCanBeLifted) {
  expect_block();
  EXPECT_EQ(sink_->begin({.key = UploadKey{1},
                          .mode = Mode::kEnforce,
                          .first_byte = start_,
                          .method = "PATCH",
                          .host = "origin",
                          .path = "/files/1",
                          .client = "192.0.2.7:4000",
                          .request_id = "r1",
                          .uploader = "",
                          .content_type = "",
                          .resource = "origin/files/1",
                          .body_bytes = 1000}),
            SinkResult::kTaken);
  append(1);
  items();
  finish(1);
  end();
  sink_->gate_closed({UploadKey{1}, GateOutcome::kBlocked, DataplaneReason::kNone,
                      start_ + std::chrono::seconds(11), 5, 3});
  const Json json = row();
  EXPECT_EQ(json["request"]["resource"], "origin/files/1");
  EXPECT_EQ(json["request"]["parts"], 5);
  EXPECT_EQ(json["request"]["connections"], 3);
  std::vector<UploadKey> lifted;
  refused_.attach([&](const std::vector<UploadKey>& uploads) {
    lifted.insert(lifted.end(), uploads.begin(), uploads.end());
    return true;
  });
  EXPECT_TRUE(refused_.release(json["upload_id"].get<std::string>()));
  EXPECT_EQ(lifted, std::vector{UploadKey{1}});
}

TEST_F(InspectionTest, WhatComesAfterAStopChangesNothing) {
  expect_certain_block();
  begin(1);
  append(1);
  items();
  items();
  finish(1);  // the lcore had not heard yet
  end();
  const auto sent = decisions();  // the gate takes the first, and knows the second no more
  ASSERT_GE(sent.size(), 1u);
  for (const GateDecision& decision : sent) EXPECT_TRUE(decision.block);
  close(1, GateOutcome::kBlocked);
  EXPECT_EQ(row()["early"]["stopped"], true);
  EXPECT_EQ(store_->counts().all, 1);
}

TEST_F(InspectionTest, AnAbandonedUploadIsStoppedByWhatHasCome) {
  expect_certain_block();
  begin(1);
  append(1);
  producer_.answer = StreamProducer::Append::kFull;
  EXPECT_EQ(append(1), SinkResult::kOverload);
  items();  // were under way
  const auto sent = decisions();
  ASSERT_EQ(sent.size(), 1u);
  EXPECT_TRUE(sent[0].block);
}

TEST_F(InspectionTest, ObserveNotesWhenItWouldHaveStoppedAndGoesOn) {
  expect_certain_block();
  expect_block();
  begin(1, Mode::kObserve);
  append(1);
  items();
  EXPECT_TRUE(decisions().empty());
  append(1);
  finish(1);
  close(1, GateOutcome::kReleasedUnasked);
  end();
  const Json json = row();
  EXPECT_EQ(json["verdict"], "block");
  EXPECT_EQ(json["enforced"], false);
  EXPECT_EQ(json["checked"], "full");
  EXPECT_EQ(json["early"]["stopped"], false);
  EXPECT_EQ(json["early"]["bytes"], 100);
  EXPECT_EQ(json["bytes"], 1000);
  EXPECT_EQ(recorder_->counters().early_observed, 1u);
  EXPECT_EQ(recorder_->counters().early_stopped, 0u);
}

TEST_F(InspectionTest, ACertainMatchThatAsksForLessStopsNothing) {
  expect_certain_block();
  index_.decisive[0].query_match_seconds = 9;  // less than its bank wants
  begin(1);
  append(1);
  items();
  EXPECT_TRUE(decisions().empty());
}

TEST_F(InspectionTest, WhereEarlyVerdictsAreOffNothingIsStopped) {
  expect_certain_block();
  matcher_ = std::make_unique<UploadMatcher>(
      index_, policy_, channels_, false, [this](uint64_t tag) { recorder_->verdict_ready(tag); });
  begin(1);
  append(1);
  items();
  EXPECT_TRUE(decisions().empty());
  finish(1);
  end();
  close(1, GateOutcome::kReleased);
  EXPECT_TRUE(row()["early"].is_null());
}

TEST_F(InspectionTest, ACandidateIsSaidOnce) {
  std::vector<uint64_t> candidates;
  matcher_ = std::make_unique<UploadMatcher>(
      index_, policy_, channels_, false, [this](uint64_t tag) { recorder_->verdict_ready(tag); },
      [&](uint64_t tag) { candidates.push_back(tag); });
  begin(1);
  append(1);
  items();
  EXPECT_TRUE(candidates.empty());
  index_.candidate = true;
  items();
  items();
  matcher_->on_again(producer_.last().tag);
  items();
  EXPECT_EQ(candidates, std::vector{producer_.last().tag});
}

TEST_F(InspectionTest, WhatIsHeardAgainCountsOnce) {
  expect_block();
  begin(1);
  append(1);
  items();
  matcher_->on_again(producer_.last().tag + 1);  // of nobody
  matcher_->on_again(producer_.last().tag);
  end();  // nothing has come again
  finish(1);
  ASSERT_EQ(decisions().size(), 1u);
  close(1, GateOutcome::kReleased);
  const Json json = row();
  EXPECT_EQ(json["verdict"], "pass");
  EXPECT_FALSE(store_->fingerprint(json["upload_id"]));
}

TEST_F(InspectionTest, NothingIsHeardAgainOfWhatWasStopped) {
  expect_certain_block();
  begin(1);
  append(1);
  items();
  matcher_->on_again(producer_.last().tag);
  items();
  close(1, GateOutcome::kBlocked);
  EXPECT_EQ(row()["verdict"], "block");
}

TEST_F(InspectionTest, ProbesReachTheMatchesAndAreNotKept) {
  begin(1);
  append(1);
  const std::vector<Item> probed(7, 1);
  matcher_->on_view_items(producer_.last().tag, -2, 0, probed);  // they may be first
  items();
  matcher_->on_view_items(producer_.last().tag, 1, 300, probed);
  matcher_->on_view_items(producer_.last().tag + 1, 2, 0, probed);  // of nobody
  EXPECT_EQ(index_.probe_items, (ProbeItems{{-2, 7}, {1, 7}}));
  finish(1);
  end();
  close(1, GateOutcome::kReleased);
  EXPECT_EQ(store_->fingerprint(row()["upload_id"]).value().items.size(), 100u);
}

TEST_F(InspectionTest, AnEarlyVerdictWaitsForTheLastByte) {
  begin(1);
  append(1);
  end(DecodeOutcome::not_audio);
  EXPECT_TRUE(decisions().empty());
  finish(1);
  const auto sent = decisions();
  ASSERT_EQ(sent.size(), 1u);
  EXPECT_FALSE(sent[0].block);
  close(1, GateOutcome::kReleased);
  const Json json = row();
  EXPECT_EQ(json["verdict"], "pass");
  EXPECT_EQ(json["reason"], "not_audio");
  EXPECT_EQ(json["checked"], "none");
}

TEST_F(InspectionTest, ObserveRecordsWhatItWouldHaveDone) {
  expect_block();
  begin(1, Mode::kObserve);
  append(1);
  finish(1);
  close(1, GateOutcome::kReleasedUnasked);  // nothing is held, so the gate is first
  items();
  end();
  const Json json = row();
  EXPECT_EQ(json["mode"], "observe");
  EXPECT_EQ(json["verdict"], "block");
  EXPECT_EQ(json["enforced"], false);
}

TEST_F(InspectionTest, ADeadlineFlagsAtOnceAndTakesLateEvidence) {
  expect_block();
  begin(1);
  append(1);
  finish(1);
  close(1, GateOutcome::kReleasedUnasked, DataplaneReason::hold_deadline);
  Json json = row();
  EXPECT_EQ(json["verdict"], "flag");
  EXPECT_EQ(json["checked"], "none");
  EXPECT_EQ(json["reason"], "hold_deadline");
  EXPECT_EQ(json["enforced"], true);  // the fail policy was
  EXPECT_TRUE(json["matches"].empty());

  items();
  end();
  for (int tries = 0; tries < 500 && json["matches"].empty(); ++tries) {
    usleep(10000);
    json = row();
  }
  EXPECT_EQ(json["matches"].size(), 1u);
  EXPECT_EQ(json["verdict"], "flag");  // what happened does not change
  EXPECT_EQ(store_->counts().all, 1);
}

TEST_F(InspectionTest, AClientThatLeavesCancelsTheStream) {
  begin(1);
  append(1);
  close(1, GateOutcome::kAborted, DataplaneReason::client_gone);
  EXPECT_TRUE(producer_.last().cancelled);
  const Json json = row();
  EXPECT_EQ(json["verdict"], "pass");
  EXPECT_EQ(json["reason"], "client_gone");
  EXPECT_EQ(json["enforced"], false);
  EXPECT_TRUE(json["timings"]["last_byte"].is_null());
  EXPECT_TRUE(json["timings"]["released"].is_null());
}

TEST_F(InspectionTest, NoRoomInTheDecodersIsAReasonOfItsOwn) {
  producer_.refuses = true;
  EXPECT_EQ(begin(1), SinkResult::kEnough);
  EXPECT_EQ(append(1), SinkResult::kEnough);
  finish(1);
  ASSERT_EQ(decisions().size(), 1u);
  close(1, GateOutcome::kReleased);
  const Json json = row();
  EXPECT_EQ(json["verdict"], "flag");
  EXPECT_EQ(json["reason"], "decoder_overload");
}

TEST_F(InspectionTest, BytesThatWereNotTakenNeverLeadToAPass) {
  begin(1);
  append(1);
  producer_.answer = StreamProducer::Append::kFull;
  EXPECT_EQ(append(1), SinkResult::kOverload);
  EXPECT_TRUE(producer_.last().cancelled);
  end();  // was under way
  finish(1);
  EXPECT_TRUE(decisions().empty());
  close(1, GateOutcome::kReleasedUnasked, DataplaneReason::overload);
  const Json json = row();
  EXPECT_EQ(json["verdict"], "flag");
  EXPECT_EQ(json["reason"], "overload");
}

TEST_F(InspectionTest, ItemsOfAnUploadThatIsOverDoNotReachItsSuccessor) {
  expect_block();
  begin(1);
  const uint64_t old_tag = producer_.last().tag;
  close(1, GateOutcome::kAborted, DataplaneReason::client_gone);
  row();
  // The slots go round: use them all once, so that the first one is taken again.
  for (uint64_t key = 2; key <= kUploadSlotsPerLcore; ++key) begin(key);
  begin(9999);
  ASSERT_EQ(old_tag & 0xffff, producer_.last().tag & 0xffff);
  const std::vector<Item> items(100, 1);
  matcher_->on_items(old_tag, 0, items);
  matcher_->on_end(old_tag, {});
  finish(9999);
  EXPECT_TRUE(decisions().empty());
}

TEST_F(InspectionTest, MoreUploadsThanSlotsIsOverload) {
  for (uint64_t key = 1; key <= kUploadSlotsPerLcore; ++key)
    ASSERT_EQ(begin(key), SinkResult::kTaken);
  EXPECT_EQ(begin(100000), SinkResult::kOverload);
  EXPECT_EQ(append(100000), SinkResult::kEnough);
  close(100000, GateOutcome::kReleasedUnasked, DataplaneReason::overload);  // nobody minds
  EXPECT_EQ(recorder_->counters().unrecorded, 1u);
}

TEST_F(InspectionTest, UploadsInFlightSayWhatTheyWaitFor) {
  begin(1);
  append(1);
  begin(2);
  finish(2);
  usleep(100000);
  const auto views = recorder_->in_flight();
  ASSERT_EQ(views.size(), 2u);
  EXPECT_EQ(views[0].state == "receiving" ? views[0].waiting_for : views[1].waiting_for, "bytes");
  EXPECT_EQ(views[0].state == "held" ? views[0].waiting_for : views[1].waiting_for, "verdict");
  EXPECT_EQ(recorder_->counters().held, 1u);
}

TEST_F(InspectionTest, TroubleWithTheDecodersIsLogged) {
  set_log_level("warn");
  testing::internal::CaptureStderr();
  recorder_->trouble("a decoder died: Killed");
  recorder_->stop();
  EXPECT_NE(testing::internal::GetCapturedStderr().find("decoder_trouble"), std::string::npos);
}

TEST_F(InspectionTest, AStopRecordsWhoeverIsLeft) {
  begin(1);
  append(1);
  finish(1);
  close(1, GateOutcome::kReleasedUnasked, DataplaneReason::shutdown);
  begin(2, Mode::kObserve);
  finish(2);
  close(2, GateOutcome::kReleasedUnasked);  // its verdict will never come
  recorder_->stop();
  const auto rows = store_->page({}).value().rows;
  ASSERT_EQ(rows.size(), 2u);
  for (const std::string& text : rows) EXPECT_EQ(Json::parse(text)["reason"], "shutdown");
}

TEST_F(InspectionTest, WhoAsksSeesWhatWasAnsweredBefore) {
  for (uint64_t key = 1; key <= 50; ++key) {
    begin(key);
    finish(key);
    end();
    close(key, GateOutcome::kReleased);
    recorder_->settle(std::chrono::seconds(5));
    ASSERT_EQ(store_->page({}).value().rows.size(), key);
  }
}

TEST_F(InspectionTest, WhoAsksWaitsForVerdictsOnWhatWasObserved) {
  begin(1, Mode::kObserve);
  finish(1);
  close(1, GateOutcome::kReleasedUnasked);
  begin(2, Mode::kObserve);  // it has not left: nobody waits for it
  std::jthread matcher([this, tag = producer_.streams.begin()->second.tag] {
    std::this_thread::sleep_for(std::chrono::milliseconds(100));
    matcher_->on_end(tag, {.outcome = DecodeOutcome::decoded, .decoded_seconds = 12});
  });
  recorder_->settle(std::chrono::seconds(20));
  EXPECT_EQ(store_->page({}).value().rows.size(), 1u);
}

TEST_F(InspectionTest, WhoAsksDoesNotWaitForEver) {
  begin(1, Mode::kObserve);
  finish(1);
  close(1, GateOutcome::kReleasedUnasked);
  const auto before = std::chrono::steady_clock::now();
  recorder_->settle(std::chrono::milliseconds(50));
  EXPECT_LT(std::chrono::steady_clock::now() - before, std::chrono::seconds(5));
  EXPECT_TRUE(store_->page({}).value().rows.empty());
  std::jthread stopper([this] {
    std::this_thread::sleep_for(std::chrono::milliseconds(50));
    recorder_->stop();
  });
  recorder_->settle(std::chrono::minutes(5));
  EXPECT_EQ(store_->page({}).value().rows.size(), 1u) << "as it stops";
  recorder_->settle(std::chrono::minutes(5));  // nobody is there any more
}

TEST_F(InspectionTest, DecodersAreScarceBeforeTheLastOneIsTaken) {
  producer_.free_streams = 32 / kReserveShare + 1;
  EXPECT_EQ(sink_->scarce(), Scarce::kNothing);
  --producer_.free_streams;
  EXPECT_EQ(sink_->scarce(), Scarce::kDecoders);
  producer_.free_streams = 0;
  EXPECT_EQ(sink_->scarce(), Scarce::kDecoders);
  LcoreSink patient(*channels_[0], producer_, false, 42, std::chrono::milliseconds(1));
  EXPECT_EQ(patient.scarce(), Scarce::kNothing) << "a replay waits instead";
}

TEST_F(InspectionTest, PlacesAreScarceBeforeTheLastOneIsTaken) {
  constexpr uint64_t kReserve = kUploadSlotsPerLcore / kReserveShare;
  for (uint64_t key = 1; key < kUploadSlotsPerLcore - kReserve; ++key) begin(key);
  EXPECT_EQ(sink_->scarce(), Scarce::kNothing);
  begin(kUploadSlotsPerLcore);
  EXPECT_EQ(sink_->scarce(), Scarce::kPlaces);
  close(1, GateOutcome::kReleasedUnasked, DataplaneReason::gave_way);
  EXPECT_EQ(row()["reason"], "gave_way");
  EXPECT_EQ(sink_->scarce(), Scarce::kNothing) << "it is given back with the row";
}

TEST_F(InspectionTest, WhatGivesWayLosesItsDecoderAndIsRecordedOnce) {
  begin(1);
  append(1);
  close(1, GateOutcome::kReleasedUnasked, DataplaneReason::gave_way);
  EXPECT_TRUE(producer_.last().cancelled);
  const Json json = row();
  EXPECT_EQ(json["verdict"], "flag");
  EXPECT_EQ(json["checked"], "none");
  EXPECT_EQ(json["reason"], "gave_way");
  EXPECT_EQ(append(1), SinkResult::kEnough);
}

TEST_F(InspectionTest, WhatMayNotDecodeTakesNoDecoder) {
  UploadStart start;
  start.key = UploadKey{1};
  start.may_decode = false;
  EXPECT_EQ(sink_->begin(start), SinkResult::kEnough);
  EXPECT_TRUE(producer_.streams.empty());
  finish(1);
  EXPECT_EQ(decisions().size(), 1u);
  close(1, GateOutcome::kReleased);
  EXPECT_EQ(row()["reason"], "decoder_overload");
}

}  // namespace
}  // namespace soundgate
