// What TCP does besides sending bytes in order: windows, probes, keep-alives, timestamps, numbers
// that wrap. Each for an upload that is inspected in enforce mode.
#include <gtest/gtest.h>

#include "tests/dataplane/engine_harness.h"
#include "tests/dataplane/frame_maker.h"

namespace soundgate::test {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

const std::string kButTheLast = kRequest.substr(0, kEnd - 1);

SegmentFields client_fields(uint64_t offset) {
  return {.sequence = Harness::kClientFirst + static_cast<uint32_t>(offset),
          .acknowledgment = Harness::kOriginFirst,
          .flags = kAck,
          .window = 500,
          .timestamps = {}};
}

// What a receiver that starts at offset 0 makes of these segments: first data wins.
std::string assembled(const std::vector<Seen>& segments) {
  std::map<uint32_t, char> bytes;
  for (const Seen& one : segments) {
    const uint32_t offset = one.frame.sequence - Harness::kClientFirst;
    const std::string payload = one.payload();
    for (uint32_t i = 0; i < payload.size(); ++i) bytes.emplace(offset + i, payload[i]);
  }
  std::string all;
  for (const auto& [offset, byte] : bytes) {
    if (offset == all.size()) all += byte;
  }
  return all;
}

TEST(Window, AProbeOfOneByteIsReadOnceAndNotTakenForDelivered) {
  Harness harness;
  harness.open();
  harness.client(0, kRequest.substr(0, kEnd - 6));
  harness.origin(0, "", kEnd - 6);
  harness.seen.clear();
  harness.client(kEnd - 6, "4");       // the origin's window is closed: it does not take it
  harness.origin(0, "", kEnd - 6);     // and says so
  harness.client(kEnd - 6, "X56789");  // sent again with more, and something else in it
  const auto to_origin = harness.take(Side::kOrigin);
  ASSERT_EQ(to_origin.size(), 2u);
  EXPECT_EQ(to_origin[0].payload(), "4");
  EXPECT_EQ(to_origin[1].payload(), "45678");  // up to the tail
  EXPECT_EQ(harness.reason(DataplaneReason::tcp_conflict), 1u);
  EXPECT_EQ(harness.sink.records.at(0).body, "0123456789");
}

TEST(Window, ATailThatTheOriginHasNoRoomForIsSentAgainByTheClient) {
  Harness harness;
  harness.open();
  harness.client(0, kRequest);
  harness.decide(false);
  EXPECT_EQ(assembled(harness.take(Side::kOrigin)), kRequest);
  harness.origin(0, "", kEnd - 1);  // the window was closed
  harness.wait(seconds(3));
  harness.client(kEnd - 1, "9");
  EXPECT_EQ(harness.take_payload(Side::kOrigin), "9");
}

TEST(Window, ARefusalIsRepeatedUntilAClientWithAClosedWindowTakesIt) {
  Harness harness;
  harness.open();
  SegmentFields closed = client_fields(0);
  closed.window = 0;
  harness.put(Side::kClient, closed, kRequest);
  harness.decide(true);
  for (const int wait_ms : {0, 250, 450, 900, 1'700}) {
    harness.wait(milliseconds(wait_ms));
    EXPECT_TRUE(harness.take_payload(Side::kClient).starts_with("HTTP/1.1 403")) << wait_ms;
    closed.sequence = Harness::kClientFirst + static_cast<uint32_t>(kEnd);
    harness.put(Side::kClient, closed, "");
  }
  EXPECT_EQ(harness.take_payload(Side::kOrigin), kButTheLast);
}

TEST(Window, ItsScaleAndWhatElseIsNegotiatedPassUntouched) {
  Harness harness;
  // MSS, SACK permitted, timestamps, NOP, window scale: Linux's own.
  const std::string options("\x02\x04\x05\xb4\x04\x02\x08\x0a\0\0\0\1\0\0\0\0\x01\x03\x03\x0a", 20);
  for (const Side from : {Side::kClient, Side::kOrigin}) {
    SegmentFields fields = client_fields(static_cast<uint64_t>(-1));
    fields.flags = kSyn;
    if (from == Side::kOrigin) {
      fields = {.sequence = Harness::kOriginFirst - 1,
                .acknowledgment = Harness::kClientFirst,
                .flags = kSyn | kAck,
                .window = 600,
                .timestamps = {}};
    }
    LinkHeader link;
    link.bytes = 14;
    store16(link.data, 12, 0x0800);
    FrameBytes frame =
        make_frame(harness.key, link, other(from), fields, std::as_bytes(std::span(options)));
    store8(frame, 34 + 12, 10 << 4);
    fix_lengths(frame, 14);
    harness.put_frame(from, frame);
    const auto seen = harness.take(other(from));
    ASSERT_EQ(seen.size(), 1u);
    EXPECT_EQ(seen[0].bytes, frame);
  }
}

class KeepAlive : public testing::TestWithParam<std::string> {};  // with this payload

TEST_P(KeepAlive, AtRestReachesTheOriginAndIsNoData) {
  Harness harness;
  harness.open();
  for (const uint64_t requests : {0, 1}) {
    const uint64_t at = requests * kEnd;
    harness.seen.clear();
    harness.client(at - 1, GetParam());
    const auto to_origin = harness.take(Side::kOrigin);
    ASSERT_EQ(to_origin.size(), 1u);
    EXPECT_EQ(to_origin[0].frame.sequence, Harness::kClientFirst + static_cast<uint32_t>(at) - 1);
    harness.origin(0, "", at);
    EXPECT_EQ(harness.take(Side::kClient).size(), 1u);
    harness.client(at, kRequest);
    EXPECT_EQ(harness.sink.records.at(requests).body, "0123456789");
    harness.decide(false);
    harness.origin(0, "", at + kEnd);
  }
  EXPECT_EQ(harness.reason(DataplaneReason::tcp_conflict), 0u);
}

TEST_P(KeepAlive, WhileATailIsHeldLetsNothingOfItPass) {
  Harness harness;
  harness.open();
  harness.client(0, kRequest);
  harness.origin(0, "", kEnd - 1);
  harness.seen.clear();
  harness.client(kEnd - 2, GetParam());
  EXPECT_EQ(harness.take(Side::kOrigin).size(), 1u);
  EXPECT_EQ(harness.sink.records.at(0).body, "0123456789");
  EXPECT_EQ(harness.reason(DataplaneReason::tcp_conflict), 0u);
}

// After a restart of Soundgate the first that is heard of a pooled connection is a keep-alive. (One
// that is answered shows that the connection is at rest; one byte that is kept back may as well be
// the end of a body.)
TEST_P(KeepAlive, DoesNotHideTheNextRequestOfAConnectionFromBefore) {
  for (const Mode mode : {Mode::kEnforce, Mode::kObserve}) {
    for (const int times : {1, 2}) {
      DataplaneConfig config = Harness::enforcing();
      config.mode = mode;
      Harness harness(config);
      for (int i = 0; i < times; ++i) {
        harness.client_again(99, GetParam());
        if (!harness.take(Side::kOrigin).empty()) harness.origin(0, "", 100);
      }
      harness.client(100, kRequest);
      ASSERT_EQ(harness.sink.records.size(), 1u) << times;
      EXPECT_EQ(harness.sink.records[0].body, "0123456789");
    }
  }
}

TEST(Midstream, ARequestThatEndsItsConnectionIsSeen) {
  Harness harness;
  harness.client(0, kRequest, kAck | kFin);
  EXPECT_TRUE(harness.sink.records.at(0).finished);
  EXPECT_EQ(harness.take_payload(Side::kOrigin), kButTheLast);
  ++harness.key.client_port;
  harness.client(0, "", kAck | kFin);  // this one only ends
  EXPECT_EQ(harness.take(Side::kOrigin).size(), 1u);
  EXPECT_EQ(harness.engine().counters().flows_open.get(), 1u);
}

// Of a connection at rest, nothing passes in front of its next request.
TEST(Midstream, WhatOvertakesARequestWaitsForIt) {
  Harness harness;
  harness.client(99, "");
  harness.origin(0, "", 100);
  harness.seen.clear();
  for (int i = 0; i < 3; ++i) harness.client_again(100 + kEnd - 5, "56789");
  EXPECT_EQ(harness.take_payload(Side::kOrigin), "");
  harness.client(100, kRequest);
  EXPECT_EQ(harness.sink.records.at(0).body, "0123456789");
}

// What was acknowledged before Soundgate was there does not come again.
TEST(Midstream, ALateCopyKeepsNothingBackForGood) {
  Harness harness;
  harness.client(50, "a late copy");
  for (int i = 0; i < 20; ++i) harness.client_again(100, "in the middle of a body");
  EXPECT_NE(harness.take_payload(Side::kOrigin).find("in the middle of a body"), std::string::npos);
}

// A head that comes once more, when the origin has had it and what follows for long.
TEST(Midstream, ARequestThatWasTakenUpTooLateIsNotHungUpOn) {
  for (const FailAction action : {FailAction::kPass, FailAction::kBlock}) {
    DataplaneConfig config = Harness::enforcing();
    config.fail_policy = default_fail_policy();
    config.fail_policy[static_cast<size_t>(DataplaneReason::midstream)] = action;
    Harness harness(config);
    const std::string request = put_request(std::string(1'000, 'x'));
    harness.client(0, request.substr(0, 100));
    harness.origin(0, "", 500);
    ASSERT_EQ(harness.sink.records.size(), 1u);
    ASSERT_EQ(harness.sink.records[0].reports.size(), 1u);
    EXPECT_EQ(harness.sink.records[0].reports[0].reason, DataplaneReason::midstream);
    harness.seen.clear();
    harness.client(500, request.substr(500));
    EXPECT_EQ(harness.take_payload(Side::kOrigin),
              action == FailAction::kPass ? request.substr(500) : "");
    if (action == FailAction::kBlock) continue;
    harness.origin(0, "", request.size());
    harness.client(request.size(), kRequest);  // the next one is seen
    EXPECT_TRUE(harness.sink.records.at(1).finished);
  }
}

// Our own segments on it have the client's clock, wherever that stands.
TEST(Midstream, TimestampsAreThoseOfTheClient) {
  Harness harness;
  SegmentFields fields = client_fields(0);
  fields.timestamps = Timestamps{0xC000'0000, 77};
  harness.put(Side::kClient, fields, kRequest);
  harness.take(Side::kOrigin);
  harness.decide(false);
  const auto released = harness.take(Side::kOrigin);
  ASSERT_EQ(released.size(), 1u);
  EXPECT_EQ(parse_tcp_options(released[0].frame.options()).timestamps->value, 0xC000'0000u);
}

TEST_P(KeepAlive, DoesNotKeepBackABodyFromBeforeForGood) {
  Harness harness;
  harness.client(99, GetParam());
  harness.client(100, "in the middle of a body");
  harness.client_again(100, "in the middle of a body");
  EXPECT_EQ(harness.take_payload(Side::kOrigin), "in the middle of a body");
}

INSTANTIATE_TEST_SUITE_P(WithAndWithoutGarbage, KeepAlive,
                         testing::Values(std::string(), std::string(1, '\0'), std::string("\xff")));

// A connection whose both ends send timestamps.
class Timestamped : public testing::Test {
 protected:
  void SetUp() override {
    SegmentFields syn = client_fields(static_cast<uint64_t>(-1));
    syn.flags = kSyn;
    syn.timestamps = Timestamps{1'000, 0};
    harness.put(Side::kClient, syn, "");
    harness.put(Side::kOrigin,
                {.sequence = Harness::kOriginFirst - 1,
                 .acknowledgment = Harness::kClientFirst,
                 .flags = kSyn | kAck,
                 .window = 600,
                 .timestamps = Timestamps{7, 1'000}},
                "");
    client(0, "", 1'000);
    harness.seen.clear();
  }
  void client(uint64_t offset, std::string_view payload, uint32_t time) {
    SegmentFields fields = client_fields(offset);
    fields.timestamps = Timestamps{time, 7};
    harness.put(Side::kClient, fields, payload);
  }

  Harness harness;
};

// The origin drops it (PAWS): what came in it is read, and whatever comes in its place is the same.
TEST_F(Timestamped, AnOldSegmentIsNotTakenForDelivered) {
  client(0, kRequest.substr(0, kEnd - 6), 1'000);
  client(kEnd - 6, "SPAMX", 1);  // older than the origin has seen
  harness.origin(0, "", kEnd - 6);
  EXPECT_GT(harness.engine().buffers_in_use(), 0u);
  client(kEnd - 6, "45678", 1'001);
  client(kEnd - 1, "9", 1'001);
  std::vector<Seen> taken;
  for (Seen& one : harness.take(Side::kOrigin)) {
    const auto timestamps = parse_tcp_options(one.frame.options()).timestamps;
    if (timestamps->value < 1'000) continue;  // what PAWS drops
    one.frame = parse_frame(one.bytes);
    taken.push_back(std::move(one));
  }
  for (Seen& one : taken) one.frame = parse_frame(one.bytes);
  EXPECT_EQ(assembled(taken), kRequest.substr(0, kEnd - 6) + "SPAMX");
  EXPECT_EQ(harness.sink.records.at(0).body, "0123SPAMX9");
  harness.decide(false);
  EXPECT_EQ(harness.take_payload(Side::kOrigin), "9");
}

TEST_F(Timestamped, OurSegmentsHaveTheLatest) {
  client(0, kRequest, 2'000);
  client(kEnd - 1, "9", 2'500);
  harness.take(Side::kOrigin);
  harness.decide(false);
  const auto released = harness.take(Side::kOrigin);
  ASSERT_EQ(released.size(), 1u);
  EXPECT_EQ(parse_tcp_options(released[0].frame.options()).timestamps->value, 2'500u);
  EXPECT_EQ(parse_tcp_options(released[0].frame.options()).timestamps->echo, 7u);
}

TEST_F(Timestamped, OneThatWasOvertakenDoesNotMakeOurSegmentsOld) {
  const auto origin = [&](uint64_t offset, uint32_t time) {
    harness.put(Side::kOrigin,
                {.sequence = Harness::kOriginFirst + static_cast<uint32_t>(offset),
                 .acknowledgment = Harness::kClientFirst,
                 .flags = kAck,
                 .window = 600,
                 .timestamps = Timestamps{time, 2'000}},
                "");
  };
  client(0, kButTheLast, 2'000);
  client(kEnd - 1, "9", 2'010);
  client(0, kButTheLast, 1'990);
  origin(0, 90);
  origin(0, 80);
  harness.seen.clear();
  harness.decide(true);
  const auto answer = harness.take(Side::kClient);
  ASSERT_FALSE(answer.empty());
  const auto timestamps = parse_tcp_options(answer[0].frame.options()).timestamps;
  EXPECT_EQ(timestamps->value, 90u);
  EXPECT_EQ(timestamps->echo, 2'010u);
}

TEST(Sequence, WrapsWithinABody) {
  const std::string body(2'000, 'b');
  const std::string request = put_request(body);
  ASSERT_GT(request.size(), 0x1'0000'0000u - Harness::kClientFirst);
  for (const bool backwards : {false, true}) {
    Harness harness;
    harness.open();
    const size_t head = request.find("\r\n\r\n") + 4;
    harness.client(0, request.substr(0, head));
    std::vector<uint64_t> starts;
    for (uint64_t at = head; at < request.size(); at += 50) starts.push_back(at);
    if (backwards) std::ranges::reverse(starts);
    for (const uint64_t at : starts) harness.client(at, request.substr(at, 50));
    EXPECT_TRUE(harness.sink.records.at(0).finished);
    EXPECT_EQ(harness.sink.records[0].body, body);
    const uint64_t sent = request.size() - 1;
    harness.decide(false);
    EXPECT_EQ(assembled(harness.take(Side::kOrigin)), request);
    harness.origin(0, "", sent + 1);
    EXPECT_EQ(harness.engine().buffers_in_use(), 0u);
  }
}

// More than the sequence numbers hold, in segments as long as IP allows.
TEST(Sequence, ABodyOfMoreThan4GiBIsFollowedToItsLastByte) {
#ifdef NDEBUG
  constexpr uint64_t kBody = (uint64_t{9} << 29) + 12'345;  // 4.5 GiB: over it and on
#else
  constexpr uint64_t kBody = (uint64_t{1} << 26) + 12'345;  // sanitizers are slow
#endif
  class CountingSink final : public UploadSink {
   public:
    SinkResult begin(const UploadStart& start) override {
      key = start.key;
      said = start.body_bytes;
      return SinkResult::kTaken;
    }
    SinkResult append(UploadKey, std::span<const std::byte> body) override {
      bytes += body.size();
      return SinkResult::kTaken;
    }
    void finish(UploadKey, WallTime) override { finished = true; }
    void gate_closed(const GateReport&) override {}
    size_t poll_decisions(std::span<GateDecision> out) override {
      if (!decides) return 0;
      decides = false;
      out[0] = {};
      out[0].key = key;
      return 1;
    }
    UploadKey key{};
    int64_t said = 0;
    uint64_t bytes = 0;
    bool finished = false, decides = false;
  };
  class CountingIo final : public PacketIo {
   public:
    void forward(Side to, size_t bytes) override { to_origin += to == Side::kOrigin ? bytes : 0; }
    void send(Side to, std::span<const std::byte> frame) override {
      const Frame parsed = parse_frame({const_cast<std::byte*>(frame.data()), frame.size()});
      if (to == Side::kOrigin) sent += parsed.payload_bytes;
      last_end = parsed.sequence + parsed.payload_bytes;
    }
    uint64_t to_origin = 0, sent = 0;
    uint32_t last_end = 0;
  };
  CountingSink sink;
  CountingIo io;
  Engine engine(Harness::enforcing(), HashSeed{1, 2}, 0, io, sink, Harness::small());
  const FlowKey key = Harness().key;
  LinkHeader link;
  link.bytes = 14;
  store16(link.data, 12, 0x0800);
  const auto put = [&](Side from, SegmentFields fields, Bytes payload) {
    FrameBytes frame = make_frame(key, link, other(from), fields, payload);
    engine.on_frame(from, frame);
  };
  const auto origin = [&](uint64_t acknowledged, uint8_t flags, uint32_t sequence) {
    put(Side::kOrigin,
        {.sequence = sequence,
         .acknowledgment = Harness::kClientFirst + static_cast<uint32_t>(acknowledged),
         .flags = flags,
         .window = 600,
         .timestamps = {}},
        {});
  };
  SegmentFields syn = client_fields(static_cast<uint64_t>(-1));
  syn.flags = kSyn;
  put(Side::kClient, syn, {});
  origin(0, kSyn | kAck, Harness::kOriginFirst - 1);
  const std::string head =
      "PUT /x HTTP/1.1\r\nHost: a\r\nContent-Length: " + std::to_string(kBody) + "\r\n\r\n";
  put(Side::kClient, client_fields(0), std::as_bytes(std::span(head)));
  const uint64_t end = head.size() + kBody;
  const std::vector<std::byte> payload(60'000, std::byte{7});
  for (uint64_t at = head.size(); at < end;) {
    const size_t step = std::min<uint64_t>(payload.size(), end - at);
    put(Side::kClient, client_fields(at), Bytes(payload).first(step));
    at += step;
    if (at < end) origin(at, kAck, Harness::kOriginFirst);
  }
  EXPECT_EQ(sink.said, static_cast<int64_t>(kBody));
  EXPECT_EQ(sink.bytes, kBody);
  EXPECT_TRUE(sink.finished);
  sink.decides = true;
  engine.poll();
  EXPECT_EQ(io.sent, kBody % payload.size());  // the last segment, in pieces of ours
  EXPECT_EQ(io.last_end, Harness::kClientFirst + static_cast<uint32_t>(end));
  origin(end, kAck, Harness::kOriginFirst);
  EXPECT_EQ(engine.buffers_in_use(), 0u);
}

// A segment that begins before what was acknowledged, and goes on behind it.
TEST(Overlap, IsRewrittenInEveryPosition) {
  const std::string request = put_request("abcdefghijklmnopqrst");
  const uint64_t body = request.size() - 20;
  for (uint64_t stored_at = 0; stored_at < 12; ++stored_at) {
    for (uint64_t at = 0; at < 12; ++at) {
      for (const uint64_t bytes : {1, 4, 8}) {
        Harness harness;
        harness.open();
        harness.client(0, request.substr(0, body));
        harness.client(body + stored_at, request.substr(body + stored_at, 5));
        harness.client(body + at, std::string(bytes, '!'));
        harness.client(body, request.substr(body));
        const std::string& inspected = harness.sink.records.at(0).body;
        ASSERT_EQ(inspected.size(), 20u);
        EXPECT_EQ(inspected.substr(stored_at, 5), request.substr(body + stored_at, 5));
        harness.decide(false);
        const auto to_origin = harness.take(Side::kOrigin);
        EXPECT_EQ(assembled(to_origin), request.substr(0, body) + inspected);
        // And whichever copy the origin takes, it is the same.
        for (const Seen& one : to_origin) {
          const uint64_t offset = one.frame.sequence - Harness::kClientFirst;
          if (offset < body) continue;
          EXPECT_EQ(one.payload(), inspected.substr(offset - body, one.payload().size()));
        }
      }
    }
  }
}

}  // namespace
}  // namespace soundgate::test
