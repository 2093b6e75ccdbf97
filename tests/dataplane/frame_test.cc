#include "dataplane/flow/frame.h"

#include <gtest/gtest.h>

#include <random>
#include <vector>

#include "dataplane/flow/checksum.h"
#include "dataplane/limits.h"
#include "dataplane/tcp/segment_writer.h"
#include "dataplane/tcp/tcp_options.h"

namespace soundgate {
namespace {

std::vector<std::byte> bytes_of(std::initializer_list<int> values) {
  std::vector<std::byte> bytes;
  for (int value : values) bytes.push_back(static_cast<std::byte>(value));
  return bytes;
}

struct Sample {
  bool ipv6;
  bool vlan;
};

std::vector<std::byte> sample_frame(const Sample& sample, Bytes payload) {
  FlowKey key;
  key.ipv6 = sample.ipv6;
  key.client[0] = std::byte{10};
  key.origin[0] = std::byte{11};
  key.client_port = 40'000;
  key.origin_port = 80;
  LinkHeader link;
  const int type = sample.ipv6 ? 0x86DD : 0x0800;
  const size_t at = sample.vlan ? 16 : 12;
  if (sample.vlan) {
    store16(link.data, 12, 0x8100);
    store16(link.data, 14, 0x2064);
  }
  store16(link.data, at, static_cast<uint16_t>(type));
  link.bytes = static_cast<uint8_t>(at + 2);
  SegmentWriter writer;
  SegmentFields fields{.sequence = 7,
                       .acknowledgment = 9,
                       .flags = kAck | kPsh,
                       .window = 99,
                       .timestamps = Timestamps{1, 2}};
  const Bytes frame = writer.write(key, link, Side::kOrigin, fields, payload);
  return {frame.begin(), frame.end()};
}

TEST(Frame, FindsTheSegmentUnderVlanAndBothVersionsOfIp) {
  const auto payload = bytes_of({'h', 'e', 'l', 'l', 'o'});
  for (const bool ipv6 : {false, true}) {
    for (const bool vlan : {false, true}) {
      auto bytes = sample_frame({ipv6, vlan}, payload);
      bytes.resize(std::max<size_t>(bytes.size(), 60) + 4);  // padding is not payload
      const Frame frame = parse_frame(bytes);
      ASSERT_EQ(frame.kind, FrameKind::kTcp);
      EXPECT_EQ(frame.ipv6, ipv6);
      EXPECT_EQ(frame.vlan, vlan ? 0x64 : 0);
      EXPECT_EQ(frame.source_port, 40'000);
      EXPECT_EQ(frame.destination_port, 80);
      EXPECT_EQ(frame.sequence, 7u);
      EXPECT_TRUE(std::ranges::equal(frame.payload(), payload));
      EXPECT_TRUE(tcp_checksum_is_right(frame));
      const auto timestamps = parse_tcp_options(frame.options()).timestamps;
      ASSERT_TRUE(timestamps);
      EXPECT_EQ(timestamps->value, 1u);
    }
  }
}

// The sample under more tags in front of the first one.
std::vector<std::byte> tagged(std::vector<std::byte> bytes,
                              std::initializer_list<int> identifiers) {
  for (const int identifier : identifiers) {
    const auto tag = bytes_of({0x88, 0xA8, identifier >> 8, identifier & 0xFF});
    bytes.insert(bytes.begin() + 12, tag.begin(), tag.end());
  }
  return bytes;
}

TEST(Frame, FindsTheSegmentUnderTwoTags) {
  const auto payload = bytes_of({'h', 'i'});
  auto two = tagged(sample_frame({false, true}, payload), {7});
  const Frame frame = parse_frame(two);
  ASSERT_EQ(frame.kind, FrameKind::kTcp);
  EXPECT_EQ(frame.vlan, 0x7064u);
  EXPECT_TRUE(std::ranges::equal(frame.payload(), payload));
  auto with_priority = tagged(sample_frame({false, true}, payload), {0});
  EXPECT_EQ(parse_frame(with_priority).vlan, 0x64u);
  auto three = tagged(sample_frame({false, true}, payload), {7, 8});
  EXPECT_EQ(parse_frame(three).kind, FrameKind::kTcpHidden);
  EXPECT_EQ(parse_frame(three).destination_port, 80);
}

TEST(Frame, SeesEveryFlippedBitOfASegment) {
  const auto payload = bytes_of({1, 2, 3});
  auto bytes = sample_frame({false, false}, payload);
  for (size_t at = 34; at < bytes.size(); ++at) {
    bytes[at] ^= std::byte{0x10};
    const Frame frame = parse_frame(bytes);
    EXPECT_TRUE(frame.kind != FrameKind::kTcp || !tcp_checksum_is_right(frame)) << at;
    bytes[at] ^= std::byte{0x10};
  }
}

TEST(Frame, KnownChecksum) {
  // RFC 1071 section 3.
  const auto bytes = bytes_of({0x00, 0x01, 0xf2, 0x03, 0xf4, 0xf5, 0xf6, 0xf7});
  EXPECT_EQ(checksum_finish(checksum_add(0, bytes)), 0x220D);
}

TEST(Frame, PayloadCanBeTakenOff) {
  const auto payload = bytes_of({1, 2, 3, 4});
  for (const bool ipv6 : {false, true}) {
    auto bytes = sample_frame({ipv6, false}, payload);
    Frame frame = parse_frame(bytes);
    drop_payload(frame);
    const Frame again = parse_frame(frame.bytes);
    ASSERT_EQ(again.kind, FrameKind::kTcp);
    EXPECT_EQ(again.payload_bytes, 0);
    EXPECT_TRUE(tcp_checksum_is_right(again));
  }
}

TEST(Frame, FragmentsAreNotSegments) {
  auto bytes = sample_frame({false, false}, {});
  store16(bytes, 14 + 6, 0x2000);
  EXPECT_EQ(parse_frame(bytes).kind, FrameKind::kTcpFragment);
  EXPECT_EQ(parse_frame(bytes).destination_port, 80);
  EXPECT_EQ(parse_frame(bytes).sequence, 7u);
  store16(bytes, 14 + 6, 0x0010);
  EXPECT_EQ(parse_frame(bytes).kind, FrameKind::kOther);
}

// A frame whose segment comes behind this many headers of 8 bytes, without options.
std::vector<std::byte> behind_extension_headers(size_t count) {
  constexpr size_t kIpv6End = 14 + 40;
  auto bytes = sample_frame({true, false}, {});
  for (size_t i = 0; i < count; ++i) {
    const auto header = bytes_of({i == 0 ? 6 : 60, 0, 1, 4, 0, 0, 0, 0});
    bytes.insert(bytes.begin() + kIpv6End, header.begin(), header.end());
  }
  if (count > 0) store8(bytes, 14 + 6, 60);
  store16(bytes, 14 + 4, static_cast<uint16_t>(bytes.size() - kIpv6End));
  return bytes;
}

TEST(Frame, ALongOrCutChainOfExtensionHeadersMayHideASegment) {
  auto seen = behind_extension_headers(kExtensionHeadersMax);
  EXPECT_EQ(parse_frame(seen).kind, FrameKind::kTcp);
  EXPECT_EQ(parse_frame(seen).destination_port, 80);
  auto hidden = behind_extension_headers(kExtensionHeadersMax + 1);
  EXPECT_EQ(parse_frame(hidden).kind, FrameKind::kTcpHidden);
  EXPECT_EQ(parse_frame(hidden).destination_port, 0);
  store16(seen, 14 + 4, 12);  // ends within the second header
  EXPECT_EQ(parse_frame(seen).kind, FrameKind::kTcpHidden);
  store8(seen, 14 + 6, 59);  // no next header
  EXPECT_EQ(parse_frame(seen).kind, FrameKind::kOther);
}

TEST(Frame, AnyBytesAreTaken) {
  std::mt19937 random(1);
  const auto good = sample_frame({true, true}, bytes_of({1, 2, 3}));
  for (int round = 0; round < 20'000; ++round) {
    auto bytes = good;
    bytes.resize(random() % (good.size() + 1));
    for (int flips = 0; flips < 3 && !bytes.empty(); ++flips) {
      bytes[random() % bytes.size()] = static_cast<std::byte>(random());
    }
    const Frame frame = parse_frame(bytes);
    if (frame.kind != FrameKind::kTcp) continue;
    EXPECT_LE(frame.payload_offset + frame.payload_bytes, bytes.size());
    (void)tcp_checksum_is_right(frame);
    (void)parse_tcp_options(frame.options());
  }
}

TEST(TcpOptions, MultipathAndFastOpenBecomeNothing) {
  auto options = bytes_of({2, 4, 5, 0xB4, 30, 4, 0, 0, 34, 2, 254, 4, 0xF9, 0x89, 3, 3, 7, 1});
  EXPECT_TRUE(neutralise_syn_options(options));
  EXPECT_EQ(options, bytes_of({2, 4, 5, 0xB4, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 3, 3, 7, 1}));
  EXPECT_FALSE(neutralise_syn_options(options));
  EXPECT_EQ(parse_tcp_options(options).segment_bytes_max, 1460);
}

}  // namespace
}  // namespace soundgate
