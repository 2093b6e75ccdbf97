// Whose frames an operator gets to see.
#include "dataplane/port/capture_filter.h"

#include <gtest/gtest.h>

#include "tests/dataplane/frame_maker.h"

namespace soundgate::test {
namespace {

constexpr std::optional<Side> kEither;

// What a client at 10.0.0.7, or 2001:db8::7, sends from port 40000 to port 80, or gets from there.
FrameBytes frame(bool ipv6, Side to, std::vector<uint16_t> tags = {}) {
  FlowKey key;
  key.ipv6 = ipv6;
  const auto client = ipv6 ? parse_network("2001:db8::7") : parse_network("10.0.0.7");
  const auto origin = ipv6 ? parse_network("2001:db8::99") : parse_network("10.0.0.99");
  key.client = client->address;
  key.origin = origin->address;
  key.client_port = 40'000;
  key.origin_port = 80;
  LinkHeader link;
  size_t at = 12;
  for (const uint16_t tag : tags) {
    store16(link.data, at, 0x8100);
    store16(link.data, at + 2, tag);
    at += 4;
  }
  store16(link.data, at, ipv6 ? 0x86DD : 0x0800);
  link.bytes = static_cast<uint8_t>(at + 2);
  return make_frame(key, link, to, SegmentFields{.sequence = 1, .flags = kAck, .timestamps = {}},
                    FrameBytes(100));
}

bool captures(std::string_view filter, FrameBytes bytes, std::optional<Side> from) {
  return parse_capture_filter(filter).value().matches(bytes, from);
}

TEST(CaptureFilter, TheClientIsWhoSendsOnItsSideAndWhoGetsOnTheOther) {
  for (const bool ipv6 : {false, true}) {
    const auto* client = ipv6 ? "2001:db8::7" : "10.0.0.7";
    const auto* origin = ipv6 ? "2001:db8::99" : "10.0.0.99";
    EXPECT_TRUE(captures(client, frame(ipv6, Side::kOrigin), Side::kClient));
    EXPECT_TRUE(captures(client, frame(ipv6, Side::kClient), Side::kOrigin));
    EXPECT_FALSE(captures(client, frame(ipv6, Side::kClient), Side::kClient));
    EXPECT_FALSE(captures(client, frame(ipv6, Side::kOrigin), Side::kOrigin));
    EXPECT_FALSE(captures(origin, frame(ipv6, Side::kOrigin), Side::kClient));
    // A mirror does not tell: either end may be meant.
    EXPECT_TRUE(captures(client, frame(ipv6, Side::kOrigin), kEither));
    EXPECT_TRUE(captures(origin, frame(ipv6, Side::kOrigin), kEither));
  }
}

TEST(CaptureFilter, NetworksEndWhereTheirPrefixDoes) {
  EXPECT_TRUE(captures("10.0.0.0/29", frame(false, Side::kOrigin), Side::kClient));
  EXPECT_FALSE(captures("10.0.0.8/29", frame(false, Side::kOrigin), Side::kClient));
  EXPECT_TRUE(captures("0.0.0.0/0", frame(false, Side::kOrigin), Side::kClient));
  EXPECT_FALSE(captures("::/0", frame(false, Side::kOrigin), Side::kClient));
  EXPECT_TRUE(captures("2001:db8::/32", frame(true, Side::kOrigin), Side::kClient));
  EXPECT_FALSE(captures("0.0.0.0/0", frame(true, Side::kOrigin), Side::kClient));
}

TEST(CaptureFilter, APortIsOneConnection) {
  EXPECT_TRUE(captures("10.0.0.7:40000", frame(false, Side::kOrigin), Side::kClient));
  EXPECT_TRUE(captures("10.0.0.7:40000", frame(false, Side::kClient), Side::kOrigin));
  EXPECT_FALSE(captures("10.0.0.7:40001", frame(false, Side::kOrigin), Side::kClient));
  EXPECT_FALSE(captures("10.0.0.7:80", frame(false, Side::kOrigin), Side::kClient));
  EXPECT_TRUE(captures("[2001:db8::7]:40000", frame(true, Side::kOrigin), Side::kClient));
  EXPECT_FALSE(captures("[2001:db8::7]:40001", frame(true, Side::kOrigin), Side::kClient));
}

TEST(CaptureFilter, TagsHideNobody) {
  EXPECT_TRUE(captures("10.0.0.7", frame(false, Side::kOrigin, {100}), Side::kClient));
  EXPECT_TRUE(captures("[2001:db8::7]:40000", frame(true, Side::kOrigin, {7, 100}), Side::kClient));
  EXPECT_TRUE(captures("10.0.0.7:40000", frame(false, Side::kOrigin, {7, 100}), Side::kClient));
}

TEST(CaptureFilter, WhatIsNoTcpIsTheClientsToo) {
  FrameBytes icmp = frame(false, Side::kOrigin);
  store8(icmp, 14 + 9, 1);
  EXPECT_TRUE(captures("10.0.0.7", icmp, Side::kClient));
  EXPECT_FALSE(captures("10.0.0.7:40000", icmp, Side::kClient));
  FrameBytes fragment = frame(false, Side::kOrigin);
  store16(fragment, 14 + 6, 100);  // a later one
  EXPECT_TRUE(captures("10.0.0.7", fragment, Side::kClient));
  FrameBytes arp = frame(false, Side::kOrigin);
  store16(arp, 12, 0x0806);
  EXPECT_FALSE(captures("0.0.0.0/0", arp, kEither));
}

TEST(CaptureFilter, FramesThatEndTooSoonAreNobodys) {
  for (const bool ipv6 : {false, true}) {
    const FrameBytes whole = frame(ipv6, Side::kOrigin, {100});
    const size_t addresses_end = 18 + (ipv6 ? 40 : 20);
    for (size_t bytes = 0; bytes <= whole.size(); ++bytes) {
      const FrameBytes cut(whole.begin(), whole.begin() + static_cast<std::ptrdiff_t>(bytes));
      EXPECT_EQ(captures(ipv6 ? "::/0" : "0.0.0.0/0", cut, kEither), bytes >= addresses_end);
    }
  }
}

TEST(CaptureFilter, RefusesWhatIsNeitherNetworkNorConnection) {
  for (const char* text :
       {"", "host", "10.0.0", "10.0.0.0/33", "10.0.0.0/", "10.0.0.0/x", "10.0.0.1:", "10.0.0.1:0",
        "10.0.0.1:65536", "10.0.0.1:80x", "[2001:db8::7", "[2001:db8::7]80",
        "[2001:db8::7]:", "2001:db8::/129", "10.0.0.1 ", ":80", "[]:80", "/8"}) {
    EXPECT_FALSE(parse_capture_filter(text)) << text;
  }
}

}  // namespace
}  // namespace soundgate::test
