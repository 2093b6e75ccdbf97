// Where decoders are scarce: which upload gives its own up for one that begins, and what becomes of
// it.
#include <gtest/gtest.h>

#include "dataplane/gate/holdings.h"
#include "tests/dataplane/tus_ends.h"

namespace soundgate::test {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

constexpr auto kGaveWay = DataplaneReason::gave_way;
const std::string kLong = put_request(std::string(1'000'000, 'x'));

class MakeWay : public testing::TestWithParam<Mode> {
 protected:
  MakeWay() { harness.sink.scarcity = Scarce::kDecoders; }

  static DataplaneConfig config(Mode mode) {
    DataplaneConfig config = Harness::enforcing();
    config.mode = mode;
    config.inspect[0].methods = {"PUT", "POST", "PATCH"};
    return config;
  }

  // From here on segments are of this connection of this client.
  void use(uint8_t client, uint16_t connection) {
    harness.key.client[3] = std::byte{client};
    harness.key.client_port = static_cast<uint16_t>(50'000 + connection);
  }
  const RecordingSink::Record& begin(uint8_t client, uint16_t connection) {
    use(client, connection);
    harness.open();
    harness.client(0, kLong.substr(0, 1'000));
    harness.origin(0, "", 1'000);
    return harness.sink.records.back();
  }
  void send(uint8_t client, uint16_t connection, uint64_t at, size_t bytes) {
    use(client, connection);
    harness.client(at, kLong.substr(at, bytes));
    harness.origin(0, "", at + bytes);
  }
  // Of which client; what gave way has done so by then.
  std::vector<std::string> gone() {
    harness.wait(milliseconds(2));
    std::vector<std::string> clients;
    for (const auto& record : harness.sink.records) {
      for (const GateReport& report : record.reports) {
        if (report.reason == kGaveWay) clients.push_back(record.client);
      }
    }
    return clients;
  }

  Harness harness{config(GetParam()), {.flows = 64, .buffers = 256, .heads = 4, .uploads = 32}};
};

INSTANTIATE_TEST_SUITE_P(Modes, MakeWay, testing::Values(Mode::kEnforce, Mode::kObserve));

TEST_P(MakeWay, OneOfWhichNothingCameGivesWay) {
  begin(1, 0);
  begin(2, 0);
  harness.wait(kUploadSilenceForRoom - milliseconds(10));
  send(2, 0, 1'000, 1'400);
  EXPECT_TRUE(begin(3, 0).may_decode) << "it has fewer than the others";
  EXPECT_TRUE(gone().empty()) << "they may only have been late";
  harness.wait(milliseconds(10));
  EXPECT_TRUE(begin(4, 0).may_decode);
  EXPECT_EQ(gone(), std::vector<std::string>{"10.0.0.1:50000"});
  EXPECT_EQ(harness.reason(kGaveWay), 1u);
}

TEST_P(MakeWay, NobodyDoesWhileThereIsRoom) {
  begin(1, 0);
  begin(1, 1);
  harness.wait(seconds(20));
  harness.sink.scarcity = Scarce::kNothing;
  EXPECT_TRUE(begin(2, 0).may_decode);
  EXPECT_TRUE(gone().empty());
}

TEST_P(MakeWay, SoDoesOneOfWhichHardlyAnythingComes) {
  begin(1, 0);
  begin(2, 0);
  for (int second = 0; second < 6; ++second) {
    const auto at = static_cast<uint64_t>(second);
    harness.wait(seconds(1));
    send(1, 0, 1'000 + at * 400, 400);
    send(2, 0, 1'000 + at * 1'400, 1'400);
  }
  begin(3, 0);
  EXPECT_EQ(gone(), std::vector<std::string>{"10.0.0.1:50000"});
}

// However fast they come.
TEST_P(MakeWay, WhoHasMostGivesWayToOthersAndNotToItself) {
  harness.sink.scarcity = Scarce::kNothing;
  for (uint16_t i = 0; i < 6; ++i) begin(1, i);
  harness.sink.scarcity = Scarce::kDecoders;
  begin(2, 0);
  begin(2, 1);
  begin(2, 2);
  EXPECT_EQ(gone().size(), 3u) << "one for each of the second client's";
  for (const std::string& client : gone()) EXPECT_TRUE(client.starts_with("10.0.0.1:")) << client;
  EXPECT_FALSE(begin(1, 6).may_decode);
  EXPECT_EQ(gone().size(), 3u);
  EXPECT_FALSE(begin(2, 3).may_decode) << "it has as many now";
  EXPECT_EQ(gone().size(), 3u);
}

TEST_P(MakeWay, OfThoseThatHardlyComeTheOneOfTheClientWhoHasMostDoes) {
  begin(1, 0);
  for (uint16_t i = 0; i < 3; ++i) begin(2, i);
  harness.wait(kUploadSilenceForRoom);
  begin(3, 0);
  ASSERT_EQ(gone().size(), 1u);
  EXPECT_TRUE(gone()[0].starts_with("10.0.0.2:"));
}

TEST_P(MakeWay, ItPassesUncheckedAndGoesOn) {
  use(1, 0);
  harness.open();
  const std::string head = "PUT /x HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n";
  const std::string chunk = "10\r\n0123456789abcdef\r\n0";  // a last one may follow: it is held
  harness.client(0, head + chunk);
  harness.take(Side::kOrigin);
  harness.wait(kUploadSilenceForRoom);
  begin(2, 0);
  harness.take(Side::kOrigin);
  EXPECT_EQ(gone().size(), 1u);
  if (GetParam() == Mode::kEnforce) {
    EXPECT_EQ(harness.take_payload(Side::kOrigin), chunk.substr(chunk.size() - 1));
  }
  use(1, 0);
  const std::string next = put_request("0123456789");
  harness.client(head.size() + chunk.size(), "\r\n\r\n" + next.substr(0, 20));
  EXPECT_EQ(harness.take_payload(Side::kOrigin).substr(0, 4), "\r\n\r\n");
  harness.client(head.size() + chunk.size() + 24, next.substr(20));
  EXPECT_EQ(harness.sink.records.back().body, "0123456789") << "what follows is inspected";
  EXPECT_EQ(harness.sink.records[0].reports.size(), 1u);
}

TEST_P(MakeWay, WhatIsWholeKeepsItsDecoder) {
  use(1, 0);
  harness.open();
  harness.client(0, kRequest);
  harness.wait(milliseconds(1'900));
  begin(1, 1);
  begin(2, 0);
  EXPECT_TRUE(gone().empty());
  EXPECT_TRUE(harness.sink.records[0].finished);
}

TEST_P(MakeWay, WhatIsWholeKeepsItsPlace) {
  if (GetParam() == Mode::kObserve) return;  // it is over
  harness.sink.scarcity = Scarce::kPlaces;
  use(1, 0);
  harness.open();
  harness.client(0, kRequest);
  harness.wait(milliseconds(1'000));
  begin(1, 1);
  begin(1, 2);
  EXPECT_EQ(gone(), std::vector<std::string>{"10.0.0.1:50001"});
}

TEST_P(MakeWay, APartOfAFormDoesAndTheRestIsRead) {
  const std::string form =
      "--b0undary\r\nContent-Disposition: form-data; name=\"a\"; filename=\"a\"\r\n\r\n" +
      std::string(50, 'x') +
      "\r\n--b0undary\r\nContent-Disposition: form-data; name=\"b\"; filename=\"b\"\r\n\r\n" +
      std::string(50, 'y') + "\r\n--b0undary--\r\n";
  const std::string request =
      post_request(form, "Content-Type: multipart/form-data; boundary=b0undary\r\n");
  const size_t half = request.find("xxxx") + 20;
  use(1, 0);
  harness.open();
  harness.client(0, request.substr(0, half));
  harness.wait(kUploadSilenceForRoom);
  begin(2, 0);
  EXPECT_EQ(gone().size(), 1u);
  use(1, 0);
  harness.sink.scarcity = Scarce::kNothing;
  harness.client(half, request.substr(half));
  EXPECT_EQ(harness.sink.records.back().body, std::string(50, 'y'));
}

// Without one there is no record of an upload: the client who has most gives one up for its own.
TEST_P(MakeWay, PlacesAreTakenFromWhoHasMostAlsoForItself) {
  harness.sink.scarcity = Scarce::kPlaces;
  begin(1, 0);
  EXPECT_TRUE(begin(2, 0).may_decode);
  EXPECT_TRUE(gone().empty()) << "there is one of each";
  begin(1, 1);
  begin(1, 2);
  EXPECT_EQ(gone().size(), 1u);
  EXPECT_TRUE(gone().at(0).starts_with("10.0.0.1:"));
}

// A refusal that waits for an answer in front of it has a decoder as long as it does.
struct Refusals {
  void begin(uint8_t client, uint16_t connection, const std::string& bytes) {
    harness.key.client[3] = std::byte{client};
    harness.key.client_port = static_cast<uint16_t>(50'000 + connection);
    harness.open();
    harness.client(0, bytes);
    harness.wait(milliseconds(2));
  }
  void begin_refusal(uint8_t client, uint16_t connection) {
    begin(client, connection,
          "GET / HTTP/1.1\r\nHost: a\r\n\r\n"
          "PUT /x HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nx\r\nno size\r\n");
  }
  size_t ended() const {
    return static_cast<size_t>(std::ranges::count_if(
        harness.sink.records, [](const auto& record) { return !record.reports.empty(); }));
  }

  Harness harness{Harness::enforcing(), {.flows = 64, .buffers = 256, .heads = 4, .uploads = 32}};
};

TEST(MakeWayRefusal, OneThatWaitsForItsTurnDoes) {
  Refusals refusals;
  refusals.begin_refusal(1, 0);
  refusals.harness.sink.scarcity = Scarce::kDecoders;
  refusals.begin(2, 0, kLong.substr(0, 1'000));
  EXPECT_EQ(refusals.ended(), 0u) << "the answer may be on its way";
  refusals.harness.wait(kRefusalAgeMin);
  refusals.begin(3, 0, kLong.substr(0, 1'000));
  ASSERT_EQ(refusals.ended(), 1u);
  const GateReport& report = refusals.harness.sink.records[0].reports[0];
  EXPECT_EQ(report.outcome, GateOutcome::kBlockedUnasked);
  EXPECT_EQ(report.reason, DataplaneReason::http_ambiguous) << "and it stays refused";
}

TEST(MakeWayRefusal, WhoHasMostOfThemGivesThemUpAtOnce) {
  Refusals refusals;
  for (uint16_t i = 0; i < 3; ++i) refusals.begin_refusal(1, i);
  refusals.harness.sink.scarcity = Scarce::kDecoders;
  refusals.begin(2, 0, kLong.substr(0, 1'000));
  EXPECT_EQ(refusals.ended(), 1u);
}

TEST(MakeWayPolicy, ItIsRefusedWhereTheReasonsPolicyBlocks) {
  DataplaneConfig config = Harness::enforcing();
  config.fail_policy = default_fail_policy();
  config.fail_policy[static_cast<size_t>(kGaveWay)] = FailAction::kBlock;
  Harness harness(config);
  harness.sink.scarcity = Scarce::kDecoders;
  harness.open();
  harness.client(0, kLong.substr(0, 1'000));
  harness.wait(kUploadSilenceForRoom);
  harness.key.client[3] = std::byte{9};
  harness.open();
  harness.client(0, kLong.substr(0, 1'000));
  harness.wait(milliseconds(2));
  const auto& reports = harness.sink.records.at(0).reports;
  ASSERT_EQ(reports.size(), 1u);
  EXPECT_EQ(reports[0].outcome, GateOutcome::kBlockedUnasked);
  EXPECT_NE(harness.take_payload(Side::kClient).find("403"), std::string::npos);
}

struct Resources {
  Resources() {
    one.ask(creation(length_header(20)), created(kResource));
    harness.sink.scarcity = Scarce::kDecoders;
  }
  void begin_another() {
    Connection(harness, next_port++).say(kRequest.substr(0, kEnd - 4));
    harness.wait(milliseconds(2));
  }

  Harness harness{tus_config(), tus_sizes()};
  Connection one{harness, 41'000};
  uint16_t next_port = 42'000;
};

TEST(MakeWayResource, OneThatWaitsForItsNextPartDoes) {
  Resources resources;
  Harness& harness = resources.harness;
  resources.one.ask(patch(kResource, 0, "01234567"), stored(8));
  harness.wait(kUploadSilenceForRoom - milliseconds(10));
  resources.begin_another();
  EXPECT_TRUE(harness.sink.records.at(0).reports.empty());
  harness.wait(milliseconds(10));
  resources.begin_another();
  ASSERT_EQ(harness.sink.records.at(0).reports.size(), 1u);
  EXPECT_EQ(harness.sink.records[0].reports[0].reason, kGaveWay);
  EXPECT_TRUE(harness.sink.records.at(2).may_decode);
  harness.sink.scarcity = Scarce::kNothing;
  resources.one.say(patch(kResource, 8, "89abcdefghij"));
  EXPECT_EQ(harness.sink.records.back().body, "89abcdefghij") << "what follows is looked at apart";
  harness.decide(false);
  EXPECT_EQ(harness.sink.records.back().reports.at(0).reason, DataplaneReason::partial_upload);
}

TEST(MakeWayResource, APartThatHardlyComesDoes) {
  Resources resources;
  Harness& harness = resources.harness;
  resources.one.say(patch_head(kResource, 0, 20) + "0123");
  harness.wait(kUploadSilenceForRoom);
  resources.begin_another();
  ASSERT_EQ(harness.sink.records.at(0).reports.size(), 1u);
  EXPECT_EQ(harness.sink.records[0].reports[0].reason, kGaveWay);
  EXPECT_EQ(harness.sink.records[0].reports[0].outcome, GateOutcome::kReleasedUnasked);
  EXPECT_EQ(resources.one.say("456789abcdefghij"), "456789abcdefghij") << "it passes, unchecked";
}

// What passed whole stays known, so that it can be compared with what comes again.
TEST(MakeWayResource, ThoseThatHavePassedHideNoneThatWaits) {
  constexpr size_t kMany = kUploadsScannedForRoom + 1;
  CoreSizes sizes = tus_sizes();
  sizes.flows = 256;
  sizes.resources = kMany + 1;
  sizes.shared = {.created = 1'024, .refused = 64, .endpoints = 64};
  Harness harness(tus_config(), sizes);
  for (uint16_t i = 0; i <= kMany; ++i) {
    const std::string resource = kResource + std::to_string(100 + i);
    Connection one(harness, static_cast<uint16_t>(41'000 + i));
    one.ask(creation(length_header(20)), created(resource));
    one.say(patch(resource, 0, i < kMany ? kText : "01234567"));
    if (i < kMany) harness.decide(false);
    one.reset();
  }
  harness.wait(kUploadSilenceForRoom);
  harness.sink.scarcity = Scarce::kDecoders;
  Connection(harness, 42'000).say(kRequest.substr(0, kEnd - 4));
  const auto& waiting = harness.sink.records.at(kMany);
  ASSERT_EQ(waiting.reports.size(), 1u);
  EXPECT_EQ(waiting.reports[0].reason, kGaveWay);
}

TEST(MakeWayResource, OneWithoutADecoderHasNoneToGive) {
  Harness harness(tus_config(), tus_sizes());
  Connection one(harness, 41'000);
  one.ask(creation(length_header(20)), created(kResource));
  harness.sink.begin_result = SinkResult::kEnough;
  one.ask(patch(kResource, 0, "01234567"), stored(8));
  harness.wait(kUploadSilenceForRoom);
  harness.sink.scarcity = Scarce::kDecoders;
  Connection(harness, 42'000).say(kRequest.substr(0, kEnd - 4));
  EXPECT_TRUE(harness.sink.records.at(0).reports.empty());
}

// They are touched so often that none of them is idle for long.
TEST(MakeWayResource, WhoHasMostOfThemGivesOneUp) {
  CoreSizes sizes = tus_sizes();
  sizes.resources = 8;
  Harness harness(tus_config(), sizes);
  for (uint16_t i = 0; i < 3; ++i) {
    const std::string resource = kResource + std::to_string(i);
    Connection one(harness, static_cast<uint16_t>(41'000 + i));
    one.ask(creation(length_header(20)), created(resource));
    one.ask(patch(resource, 0, "01234567"), stored(8));
  }
  harness.sink.scarcity = Scarce::kDecoders;
  Connection(harness, 42'000).say(kRequest.substr(0, kEnd - 4));
  EXPECT_FALSE(harness.sink.records.at(3).may_decode) << "its client has most";
  harness.key.client[3] = std::byte{9};
  Connection(harness, 42'001).say(kRequest.substr(0, kEnd - 4));
  EXPECT_TRUE(harness.sink.records.at(4).may_decode);
  EXPECT_EQ(std::ranges::count_if(harness.sink.records,
                                  [](const auto& record) { return !record.reports.empty(); }),
            1);
}

// It is whole: its verdict is on its way, whoever sends some of it again.
TEST(MakeWayResource, OneThatIsWholeHasNoDecoderWhileItsBytesComeAgain) {
  Harness harness(tus_config(), tus_sizes());
  Connection one(harness, 41'000);
  one.ask(creation(length_header(20)), created(kResource));
  one.say(patch(kResource, 0, kText));
  ASSERT_TRUE(harness.sink.records.at(0).finished);
  one.reset();
  Connection(harness, 41'001).say(patch_head(kResource, 0, 20) + "0123");
  harness.wait(kUploadSilenceForRoom);
  harness.sink.scarcity = Scarce::kDecoders;
  Connection(harness, 42'000).say(kRequest.substr(0, kEnd - 4));
  harness.wait(milliseconds(2));
  EXPECT_TRUE(harness.sink.records.at(0).reports.empty());
}

// The sink was told of its end at once; the client still has to take the refusal.
TEST(MakeWayResource, OneThatIsRefusedHasNoDecoder) {
  Harness harness(tus_config(), tus_sizes());
  Connection one(harness, 41'000);
  one.ask(creation(length_header(20)), created(kResource));
  one.say(patch_head(kResource, 0, 20) + "01234567");
  harness.decide(true);
  ASSERT_EQ(harness.sink.records.at(0).reports.size(), 1u);
  harness.sink.scarcity = Scarce::kDecoders;
  Connection(harness, 42'000).say(kRequest.substr(0, kEnd - 4));
  EXPECT_TRUE(harness.sink.records.at(1).may_decode) << "nobody has any";
}

FlowKey client(std::initializer_list<int> bytes, uint16_t port = 1) {
  FlowKey key;
  key.ipv6 = bytes.size() > 4;
  std::ranges::transform(bytes, key.client.begin(),
                         [](int b) { return static_cast<std::byte>(b); });
  key.client_port = port;
  return key;
}

TEST(Holdings, CountsForEachClientWhateverItsPorts) {
  Holdings holdings(4, HashSeed{1, 2});
  holdings.add(0, client({10, 0, 0, 1}, 1));
  holdings.add(1, client({10, 0, 0, 1}, 2));
  holdings.add(2, client({10, 0, 0, 2}, 1));
  EXPECT_EQ(holdings.held_by(holdings.client_of(client({10, 0, 0, 1}, 7))), 2u);
  EXPECT_EQ(holdings.held_by(holdings.client_of(uint16_t{2})), 1u);
  EXPECT_EQ(holdings.held_by(holdings.client_of(client({10, 0, 0, 3}))), 0u);
  holdings.remove(0);
  holdings.remove(0);
  holdings.remove(3);
  EXPECT_EQ(holdings.held_by(holdings.client_of(uint16_t{1})), 1u);
  EXPECT_EQ(holdings.count(), 2u);
  for (int i = 0; i < 4; ++i) EXPECT_NE(holdings.next_in_turn(), 0u);
}

TEST(Holdings, AnIPv6ClientHasItsNetworkOf64Bits) {
  Holdings holdings(4, HashSeed{1, 2});
  holdings.add(0, client({0x20, 1, 0xd, 0xb8, 0, 0, 0, 1, 1, 2, 3, 4, 5, 6, 7, 8}));
  holdings.add(1, client({0x20, 1, 0xd, 0xb8, 0, 0, 0, 1, 8, 7, 6, 5, 4, 3, 2, 1}));
  holdings.add(2, client({0x20, 1, 0xd, 0xb8, 0, 0, 0, 2, 1, 2, 3, 4, 5, 6, 7, 8}));
  EXPECT_EQ(holdings.held_by(holdings.client_of(uint16_t{0})), 2u);
  EXPECT_EQ(holdings.held_by(holdings.client_of(uint16_t{2})), 1u);
}

}  // namespace
}  // namespace soundgate::test
