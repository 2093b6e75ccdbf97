// Where room is short: whom the flow table and the upload slots give up, what slow senders hold,
// and addresses chosen to collide.
#include <gtest/gtest.h>

#include <random>

#include "dataplane/flow/flow_table.h"
#include "tests/dataplane/engine_harness.h"

namespace soundgate::test {
namespace {

using std::chrono::milliseconds;
using std::chrono::minutes;
using std::chrono::seconds;

constexpr uint16_t kFirstPort = 50'000;
constexpr size_t kFlows = 8;  // of Harness::small()

void use_port(Harness& harness, size_t number) {
  harness.key.client_port = static_cast<uint16_t>(kFirstPort + number);
}

// Fills the table, the last entry with what `last` does on it.
template <typename Last>
void fill_but_for(Harness& harness, Last last) {
  for (size_t i = 0; i + 1 < kFlows; ++i) {
    use_port(harness, i);
    harness.open();
    harness.client(0, kRequest.substr(0, kRequest.size() - 4));
    harness.origin(0, "", kEnd - 4);
  }
  use_port(harness, kFlows - 1);
  last();
  harness.seen.clear();
}

// What is seen meanwhile is kept.
bool newcomer_is_inspected(Harness& harness) {
  use_port(harness, 1'000);
  harness.sink.records.clear();
  harness.seen.clear();
  harness.client(static_cast<uint64_t>(-1), "", kSyn);
  harness.origin(static_cast<uint64_t>(-1), "", 0, kSyn | kAck);
  harness.client(0, "");
  harness.client(0, kRequest);
  return harness.sink.records.size() == 1;
}

CoreSizes with_slots(size_t uploads) {
  return {.flows = kFlows, .buffers = 256, .heads = 4, .uploads = uploads};
}

TEST(Room, AConnectionThatIsNotReadMakesRoomWhenItHasBeenIdle) {
  Harness harness(Harness::enforcing(), with_slots(16));
  fill_but_for(harness, [&] {
    harness.open();
    harness.client(0, "\x16\x03\x01 TLS");
  });
  harness.wait(kUnseenIdleForRoom - seconds(1));
  EXPECT_FALSE(newcomer_is_inspected(harness));
  harness.wait(seconds(1));
  EXPECT_TRUE(newcomer_is_inspected(harness));
  EXPECT_EQ(harness.engine().counters().flows_evicted.get(), 1u);
  for (Seen& one : harness.seen) EXPECT_FALSE(parse_frame(one.bytes).has(kRst));
  use_port(harness, kFlows - 1);  // it is a connection from before now, and goes on
  harness.client(7, "more TLS");
  harness.client_again(7, "more TLS");
  EXPECT_NE(harness.take_payload(Side::kOrigin).find("more TLS"), std::string::npos);
}

const std::string kGet = "GET / HTTP/1.1\r\nHost: a\r\n\r\n";

TEST(Room, OneBetweenTwoRequestsIsResetSoThatItDoesNotGoOnUnseen) {
  for (const Mode mode : {Mode::kEnforce, Mode::kObserve}) {
    DataplaneConfig config = Harness::enforcing();
    config.mode = mode;
    Harness harness(config, with_slots(16));
    fill_but_for(harness, [&] {
      harness.open();
      harness.client(0, kGet);
      harness.origin(0, "HTTP/1.1 204 No Content\r\n\r\n", kGet.size());
    });
    harness.wait(kInspectedIdleForRoom - seconds(1));
    EXPECT_FALSE(newcomer_is_inspected(harness));
    harness.wait(seconds(1));
    harness.seen.clear();
    EXPECT_TRUE(newcomer_is_inspected(harness));
    EXPECT_EQ(harness.engine().counters().flows_evicted.get(), 1u);
    size_t resets = 0;
    for (Seen& one : harness.seen) resets += parse_frame(one.bytes).has(kRst) ? 1 : 0;
    EXPECT_EQ(resets > 0, mode == Mode::kEnforce);
  }
}

TEST(Room, OneThatWaitsForItsResponseIsNeeded) {
  Harness harness(Harness::enforcing(), with_slots(16));
  fill_but_for(harness, [&] {
    harness.open();
    harness.client(0, kGet);
    harness.origin(0, "", kGet.size());
  });
  harness.wait(minutes(4));
  EXPECT_FALSE(newcomer_is_inspected(harness));
}

TEST(Room, UploadsKeepTheirs) {
  Harness harness(Harness::enforcing(), with_slots(16));
  fill_but_for(harness, [&] {
    harness.open();
    harness.client(0, kRequest.substr(0, kEnd - 4));
    harness.origin(0, "", kEnd - 4);
  });
  harness.wait(minutes(4));
  EXPECT_FALSE(newcomer_is_inspected(harness));
  EXPECT_EQ(harness.engine().counters().flows_evicted.get(), 0u);
}

TEST(Room, WhatIsNotReadGoesBeforeWhatIs) {
  Harness harness(Harness::enforcing(), with_slots(16));
  for (size_t i = 0; i < kFlows; ++i) {
    use_port(harness, i);
    harness.open();
    if (i == 5) harness.client(0, "\x16\x03\x01 TLS");
  }
  harness.wait(kInspectedIdleForRoom);
  harness.seen.clear();
  EXPECT_TRUE(newcomer_is_inspected(harness));
  for (const Seen& one : harness.take(Side::kOrigin)) EXPECT_FALSE(one.frame.has(kRst));
}

// Each of them sends a byte now and then, so that it never stands still.
TEST(Room, BodiesThatHardlyComeMakeRoomForOthers) {
  for (const Mode mode : {Mode::kEnforce, Mode::kObserve}) {
    DataplaneConfig config = Harness::enforcing();
    config.mode = mode;
    Harness harness(config, with_slots(4));
    const std::string request = put_request(std::string(1'000'000, 'x'));
    for (size_t i = 0; i < 4; ++i) {
      use_port(harness, i);
      harness.open();
      harness.client(0, request.substr(0, 100));
      harness.origin(0, "", 100);
    }
    const auto trickle = [&](uint64_t at) {
      for (size_t i = 0; i < 4; ++i) {
        use_port(harness, i);
        harness.client(at, request.substr(at, 1));
        harness.origin(0, "", at + 1);
      }
    };
    trickle(100);
    EXPECT_EQ(harness.engine().buffers_in_use(), 0u) << "slow senders hold no bytes";
    use_port(harness, 1'000);
    harness.open();
    harness.client(0, kRequest);  // they may only have been late
    EXPECT_EQ(harness.reason(DataplaneReason::overload), 1u);
    harness.wait(kUploadPaceWindow);
    trickle(101);
    harness.wait(milliseconds(10));
    harness.sink.records.resize(4);
    use_port(harness, 1'001);
    harness.open();
    harness.client(0, kRequest);
    ASSERT_EQ(harness.sink.records.size(), 5u);
    EXPECT_TRUE(harness.sink.records[4].finished);
    EXPECT_TRUE(harness.sink.records[4].reports.empty() || mode == Mode::kObserve);
    size_t ended = 0;
    for (size_t i = 0; i < 4; ++i) ended += harness.sink.records[i].reports.size();
    EXPECT_EQ(ended, 1u);
    if (mode == Mode::kEnforce) continue;
    for (Seen& one : harness.seen) EXPECT_FALSE(parse_frame(one.bytes).has(kRst));
  }
}

TEST(Room, ABodyWithAFairPaceIsNotSlow) {
  Harness harness(Harness::enforcing(), with_slots(1));
  const std::string request = put_request(std::string(1'000'000, 'x'));
  use_port(harness, 0);
  harness.open();
  uint64_t at = 0;
  for (int second = 0; second < 70; ++second) {
    harness.client(at, request.substr(at, 1'200));
    at += 1'200;
    harness.origin(0, "", at);
    harness.wait(seconds(1));
  }
  use_port(harness, 1'000);
  harness.open();
  harness.client(0, kRequest);
  EXPECT_TRUE(harness.sink.records.at(0).reports.empty());
  EXPECT_EQ(harness.reason(DataplaneReason::overload), 1u);
}

TEST(Room, AFlowTakesNoMoreThanItsShareOfTheBuffers) {
  Harness harness;
  harness.open();
  const std::string request = put_request(std::string(400'000, 'x'));
  for (uint64_t at = 0; at < 400'000; at += 1'000) {
    harness.client(at, request.substr(at, 1'000));
  }
  EXPECT_LE(harness.engine().buffers_in_use(), 256u / kFlowPoolShare + 2);
}

// Connections that somebody could choose: neighbouring ports and addresses, and those that collide
// for another key.
std::vector<FlowKey> chosen_connections(size_t count) {
  std::vector<FlowKey> keys(count);
  for (size_t i = 0; i < count; ++i) {
    FlowKey& key = keys[i];
    key.ipv6 = i % 2 == 1;
    key.client[0] = key.origin[0] = std::byte{10};
    key.client[key.ipv6 ? 15 : 3] = static_cast<std::byte>(i >> 8);
    key.client[2] = static_cast<std::byte>(i >> 16);
    key.client_port = static_cast<uint16_t>(1'024 + i % 60'000);
    key.origin_port = 80;
  }
  return keys;
}

size_t longest_chain(FlowTable& table, const std::vector<FlowKey>& keys) {
  size_t longest = 0;
  for (const FlowKey& key : keys) longest = std::max(longest, table.chain_length(key));
  return longest;
}

// A full table of as many buckets as entries: chance makes chains of 8 or 9.
constexpr size_t kChainMax = 12;

TEST(FlowTable, NeighbouringConnectionsMakeNoLongChains) {
  FlowTable table(kFlowsMax, HashSeed{0x1234, 0x5678});
  const auto keys = chosen_connections(kFlowsMax);
  for (const FlowKey& key : keys) {
    ASSERT_TRUE(table.find(key) || table.insert(key));
  }
  EXPECT_LE(longest_chain(table, keys), kChainMax);
}

TEST(FlowTable, WhatCollidesForOneKeyDoesNotForAnother) {
  const HashSeed known{1, 2};
  std::vector<FlowKey> colliding;
  for (const FlowKey& key : chosen_connections(4'000'000)) {
    if ((hash(key, known) & 0xFFFF) == 0x1234) colliding.push_back(key);
  }
  ASSERT_GE(colliding.size(), 40u);
  FlowTable guessed(kFlowsMax, known), secret(kFlowsMax, HashSeed{3, 4});
  for (const FlowKey& key : colliding) {
    if (!guessed.find(key)) guessed.insert(key);
    if (!secret.find(key)) secret.insert(key);
  }
  EXPECT_GE(longest_chain(guessed, colliding), 40u);  // the attack works on a key that is known
  EXPECT_LE(longest_chain(secret, colliding), 3u);
}

// SipHash-1-3 of the words that a key is made of: the reference's own vectors are for bytes, so the
// property is tested instead: each bit of a key changes about half of the bits of its hash.
TEST(FlowTable, EveryBitOfAConnectionCounts) {
  const HashSeed seed{5, 6};
  FlowKey key = chosen_connections(2)[1];
  const uint64_t before = hash(key, seed);
  const auto expect_changed = [&](const FlowKey& changed) {
    const int bits = std::popcount(before ^ hash(changed, seed));
    EXPECT_GT(bits, 8);
    EXPECT_LT(bits, 56);
  };
  for (size_t i = 0; i < 128; ++i) {
    FlowKey changed = key;
    changed.client[i / 8] ^= static_cast<std::byte>(1u << i % 8);
    expect_changed(changed);
    changed = key;
    changed.origin[i / 8] ^= static_cast<std::byte>(1u << i % 8);
    expect_changed(changed);
  }
  for (int i = 0; i < 16; ++i) {
    FlowKey changed = key;
    changed.client_port = static_cast<uint16_t>(changed.client_port ^ 1 << i);
    expect_changed(changed);
  }
  FlowKey tagged = key;
  tagged.vlan = 7;
  expect_changed(tagged);
}

}  // namespace
}  // namespace soundgate::test
