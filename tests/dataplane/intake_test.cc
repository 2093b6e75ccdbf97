// What an operator says of uploads: drains, skips, and uploads that are let go by hand.
#include "dataplane/gate/intake.h"

#include <gtest/gtest.h>

#include <atomic>
#include <thread>

#include "tests/dataplane/engine_harness.h"

namespace soundgate::test {
namespace {

constexpr WallTime kFarOff{std::chrono::hours(24 * 365 * 100)};

SkipRule rule(std::string_view what, WallTime until = kFarOff) {
  SkipRule parsed = parse_skip_rule(what).value();
  parsed.until = until;
  return parsed;
}

FlowKey client(std::initializer_list<uint8_t> bytes) {
  FlowKey key;
  key.ipv6 = bytes.size() > 4;
  std::ranges::transform(bytes, key.client.begin(), [](uint8_t b) { return std::byte{b}; });
  return key;
}

TEST(SkipRule, NetworksEndWhereTheirPrefixDoes) {
  const WallTime now{};
  const SkipRule network = rule("192.0.2.128/25");
  EXPECT_TRUE(network.matches(client({192, 0, 2, 128}), "a", now));
  EXPECT_TRUE(network.matches(client({192, 0, 2, 255}), "a", now));
  EXPECT_FALSE(network.matches(client({192, 0, 2, 127}), "a", now));
  EXPECT_FALSE(network.matches(client({192, 0, 3, 128}), "a", now));
  EXPECT_TRUE(rule("10.0.0.1").matches(client({10, 0, 0, 1}), "a", now));
  EXPECT_FALSE(rule("10.0.0.1").matches(client({10, 0, 0, 2}), "a", now));
  EXPECT_TRUE(rule("0.0.0.0/0").matches(client({8, 8, 8, 8}), "a", now));
}

TEST(SkipRule, OneFamilyIsNotTheOther) {
  const FlowKey ipv6 = client({0x20, 1, 0xd, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 7});
  EXPECT_TRUE(rule("2001:db8::/32").matches(ipv6, "a", WallTime{}));
  EXPECT_FALSE(rule("2001:db9::/32").matches(ipv6, "a", WallTime{}));
  EXPECT_FALSE(rule("0.0.0.0/0").matches(ipv6, "a", WallTime{}));
  EXPECT_FALSE(rule("::/0").matches(client({10, 0, 0, 1}), "a", WallTime{}));
}

TEST(SkipRule, HostsAreGlobsInAnyCase) {
  EXPECT_TRUE(rule("*.Example.org").matches({}, "up.example.ORG", WallTime{}));
  EXPECT_FALSE(rule("*.example.org").matches({}, "example.com", WallTime{}));
}

TEST(SkipRule, EndsAtItsTime) {
  const SkipRule until_ten = rule("*", WallTime(std::chrono::seconds(10)));
  EXPECT_TRUE(until_ten.matches({}, "a", WallTime(std::chrono::milliseconds(9999))));
  EXPECT_FALSE(until_ten.matches({}, "a", WallTime(std::chrono::seconds(10))));
}

TEST(SkipRule, RefusesWhatIsNeither) {
  const std::string too_long(300, 'a');
  for (const std::string_view what :
       {std::string_view(""), std::string_view("10.0.0.0/33"), std::string_view("10.0.0.0/"),
        std::string_view("10.0.0/8"), std::string_view("::/129"), std::string_view("a/b"),
        std::string_view("10.0.0.0/8x"), std::string_view("10.0.0.0/-1"), std::string_view("a b"),
        std::string_view("/8"), std::string_view("a\nb"), std::string_view(too_long)}) {
    EXPECT_FALSE(parse_skip_rule(what).has_value()) << what;
  }
}

struct Operated {
  std::shared_ptr<Intake> intake = std::make_shared<Intake>();
  Harness harness{config(intake, Mode::kEnforce)};

  static DataplaneConfig config(const std::shared_ptr<Intake>& intake, Mode mode) {
    DataplaneConfig config = Harness::enforcing();
    config.mode = mode;
    config.intake = intake;
    return config;
  }
  // Everything of an upload, and what the origin had of it at once.
  std::string upload() {
    harness.open();
    harness.client(0, kRequest.substr(0, kEnd - 4));
    harness.client(kEnd - 4, kRequest.substr(kEnd - 4));
    return harness.take_payload(Side::kOrigin);
  }
  GateReport report() { return harness.sink.records.back().reports.at(0); }
};

TEST(Drain, NewUploadsPassUncheckedAndSaySo) {
  Operated operated;
  operated.intake->set_draining(true);
  EXPECT_EQ(operated.upload(), kRequest);
  EXPECT_EQ(operated.report().outcome, GateOutcome::kReleasedUnasked);
  EXPECT_EQ(operated.report().reason, DataplaneReason::draining);
  EXPECT_EQ(operated.harness.reason(DataplaneReason::draining), 1u);
}

TEST(Drain, WhatPassesUncheckedIsRecordedAsItCame) {
  for (const size_t slots : {size_t{2}, size_t{1}}) {  // with one for itself, and with none
    DataplaneConfig config = Operated::config(std::make_shared<Intake>(), Mode::kEnforce);
    Harness harness(config, {.flows = 8, .buffers = 256, .heads = 4, .forms = 2, .uploads = slots});
    harness.open();
    harness.client(0, kRequest.substr(0, kEnd - 4));
    config.intake->set_draining(true);
    ++harness.key.client_port;
    harness.open();
    harness.client(0, put_request("packed", "Content-Encoding: gzip\r\n"));
    ASSERT_EQ(harness.sink.records.size(), 2u);
    EXPECT_EQ(harness.sink.records[1].coding, ContentCoding::kGzip);
    EXPECT_EQ(harness.sink.records[1].body_bytes, 6);
    EXPECT_FALSE(harness.sink.records[1].may_decode);
    EXPECT_EQ(harness.sink.records[1].reports.at(0).reason, DataplaneReason::draining);
  }
}

TEST(Drain, AnUploadThatHasBegunIsHeldToItsEnd) {
  Operated operated;
  Harness& harness = operated.harness;
  harness.open();
  harness.client(0, kRequest.substr(0, kEnd - 4));
  operated.intake->set_draining(true);
  harness.client(kEnd - 4, kRequest.substr(kEnd - 4));
  EXPECT_EQ(harness.take_payload(Side::kOrigin), kRequest.substr(0, kEnd - 1));
  harness.decide(false);
  EXPECT_EQ(harness.take_payload(Side::kOrigin), "9");
  EXPECT_EQ(operated.report().reason, DataplaneReason::kNone);
}

TEST(Drain, EndsWhenItIsUndone) {
  Operated operated;
  operated.intake->set_draining(true);
  operated.intake->set_draining(false);
  EXPECT_EQ(operated.upload(), kRequest.substr(0, kEnd - 1));
}

TEST(Drain, TheNextRequestOfAConnectionIsNewToo) {
  Operated operated;
  Harness& harness = operated.harness;
  operated.upload();
  harness.decide(false);
  operated.intake->set_draining(true);
  harness.client(kEnd, kRequest);
  EXPECT_EQ(harness.take_payload(Side::kOrigin), "9" + kRequest);
  EXPECT_EQ(operated.report().reason, DataplaneReason::draining);
}

TEST(Drain, FollowsTheFailPolicyOfItsReason) {
  DataplaneConfig config = Operated::config(std::make_shared<Intake>(), Mode::kEnforce);
  config.fail_policy = default_fail_policy();
  config.fail_policy[static_cast<size_t>(DataplaneReason::draining)] = FailAction::kBlock;
  config.intake->set_draining(true);
  Harness harness(config);
  harness.open();
  harness.client(0, kRequest);
  EXPECT_EQ(harness.sink.records.at(0).reports.at(0).outcome, GateOutcome::kBlockedUnasked);
  EXPECT_EQ(harness.take_payload(Side::kOrigin).find('9'), std::string::npos);
}

TEST(Skip, WhatAnOperatorNamesPassesAndIsRecorded) {
  Operated operated;
  operated.intake->set_skips({rule("10.0.0.0/24")});
  EXPECT_EQ(operated.upload(), kRequest);
  EXPECT_EQ(operated.report().reason, DataplaneReason::skipped);
}

TEST(Skip, OthersAreInspected) {
  Operated operated;
  operated.intake->set_skips({rule("10.0.1.0/24"), rule("b"), rule("a", WallTime{})});
  EXPECT_EQ(operated.upload(), kRequest.substr(0, kEnd - 1));
}

TEST(Skip, TheHostIsTheOneThatTheOriginTakesItFor) {
  Operated operated;
  operated.intake->set_skips({rule("A")});
  Harness& harness = operated.harness;
  harness.open();
  const std::string request = "PUT http://b/x HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\n12";
  harness.client(0, request);
  EXPECT_EQ(harness.take_payload(Side::kOrigin), request.substr(0, request.size() - 1));
}

TEST(Overload, NewUploadsPassUncheckedAndSaySo) {
  Operated operated;
  operated.intake->set_overloaded(true);
  EXPECT_EQ(operated.upload(), kRequest);
  EXPECT_EQ(operated.report().reason, DataplaneReason::overload);
}

// Sends the body byte by byte, each again until it is taken, as a client does.
uint64_t segments_of_a_patient_client(Harness& harness) {
  harness.open();
  uint64_t segments = 0;
  for (uint64_t at = 0; at < kEnd; ++at) {
    const size_t bytes_before =
        harness.sink.records.empty() ? 0 : harness.sink.records[0].body.size();
    for (int tries = 0; tries < 2; ++tries, ++segments) {
      harness.client(at, kRequest.substr(at, 1));
      const bool in_body = at >= kEnd - 10;
      if (!in_body || harness.sink.records[0].body.size() > bytes_before) break;
    }
  }
  return segments;
}

TEST(BackPressure, SomeSegmentsOfUploadsMustBeSentAgain) {
  Operated operated;
  operated.intake->set_back_pressure(true);
  EXPECT_GE(segments_of_a_patient_client(operated.harness), 1u);
  EXPECT_EQ(operated.harness.sink.records.at(0).body, "0123456789") << "nothing is lost";
  EXPECT_EQ(operated.harness.engine().counters().segments_put_off.get(), 1u);
}

TEST(BackPressure, NobodyElseIsSlowed) {
  for (const Mode mode : {Mode::kObserve, Mode::kEnforce}) {
    const auto intake = std::make_shared<Intake>();
    intake->set_back_pressure(true);
    DataplaneConfig config = Operated::config(intake, mode);
    if (mode == Mode::kEnforce) config.inspect[0].paths = {"/other"};
    Harness harness(config);
    harness.open();
    for (uint64_t at = 0; at < kEnd; ++at) harness.client(at, kRequest.substr(at, 1));
    EXPECT_EQ(harness.take_payload(Side::kOrigin), kRequest);
    EXPECT_EQ(harness.engine().counters().segments_put_off.get(), 0u);
  }
}

TEST(OperatorRelease, AHeldUploadGoesWithoutAVerdict) {
  Operated operated;
  operated.upload();
  GateDecision decision;
  decision.key = operated.harness.sink.records.back().key;
  decision.unchecked = DataplaneReason::operator_release;
  operated.harness.sink.decisions = {decision, decision};  // the second comes too late
  operated.harness.engine().poll();
  EXPECT_EQ(operated.harness.take_payload(Side::kOrigin), "9");
  EXPECT_EQ(operated.report().outcome, GateOutcome::kReleasedUnasked);
  EXPECT_EQ(operated.report().reason, DataplaneReason::operator_release);
}

TEST(OperatorRelease, OneThatStillArrivesGoesOnUnchecked) {
  Operated operated;
  Harness& harness = operated.harness;
  harness.open();
  harness.client(0, kRequest.substr(0, kEnd - 4));
  GateDecision decision;
  decision.key = harness.sink.records.back().key;
  decision.unchecked = DataplaneReason::operator_release;
  harness.sink.decisions = {decision};
  harness.engine().poll();
  harness.client(kEnd - 4, kRequest.substr(kEnd - 4));
  EXPECT_EQ(harness.take_payload(Side::kOrigin), kRequest);
  harness.client(kEnd, kRequest);  // and the next one is inspected again
  EXPECT_EQ(harness.take_payload(Side::kOrigin), kRequest.substr(0, kEnd - 1));
}

TEST(Published, OldCopiesGoWhenNobodyReadsThem) {
  Published<int> published;
  published.publish(std::make_unique<const int>(1));
  {
    const Published<int>::Reading reading(published, 3);
    published.publish(std::make_unique<const int>(2));
    EXPECT_EQ(*reading.get(), 1);
    EXPECT_EQ(published.kept_count(), 2u);
  }
  published.publish(std::make_unique<const int>(3));
  EXPECT_EQ(published.kept_count(), 1u);
}

TEST(Published, ReadersNeverSeeAHalfOrAFreedOne) {
  struct Pair {
    int a, b;
    ~Pair() { a = -1; }
  };
  Published<Pair> published;
  published.publish(std::unique_ptr<const Pair>(new Pair{0, 0}));
  std::atomic<bool> stop{false};
  std::vector<std::thread> readers;
  for (unsigned lcore = 0; lcore < 2; ++lcore) {
    readers.emplace_back([&, lcore] {
      while (!stop) {
        const Published<Pair>::Reading reading(published, lcore);
        ASSERT_EQ(reading.get()->a, reading.get()->b);
      }
    });
  }
  for (int i = 1; i <= 20'000; ++i) published.publish(std::unique_ptr<const Pair>(new Pair{i, i}));
  stop = true;
  for (std::thread& reader : readers) reader.join();
}

}  // namespace
}  // namespace soundgate::test
