// Both directions of a connection come to one lcore, however they are wrapped; what a card computes
// is what we compute.
#include "dataplane/flow/symmetric_hash.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <random>
#include <vector>

#include "dataplane/flow/frame.h"

namespace soundgate {
namespace {

using Frame = std::vector<std::byte>;

struct Made {
  bool ipv6 = false;
  std::vector<uint16_t> tags;       // VLAN identifiers
  std::vector<uint8_t> extensions;  // IPv6 headers in front of TCP
  uint8_t protocol = 6;
  uint16_t fragment = 0;                  // IPv4's field
  std::array<std::byte, 32> addresses{};  // source, destination; 4 bytes each in IPv4
  uint16_t ports[2] = {40'000, 80};
};

void append16(Frame& frame, unsigned value) {
  frame.push_back(static_cast<std::byte>(value >> 8));
  frame.push_back(static_cast<std::byte>(value));
}

Frame make(const Made& made) {
  Frame frame(12);
  for (const uint16_t tag : made.tags) {
    append16(frame, 0x8100);
    append16(frame, tag);
  }
  append16(frame, made.ipv6 ? 0x86DD : 0x0800);
  const size_t ip = frame.size();
  frame.resize(ip + (made.ipv6 ? 8 : 12));
  const size_t address_bytes = made.ipv6 ? 16 : 4;
  frame.insert(frame.end(), made.addresses.begin(),
               made.addresses.begin() + static_cast<std::ptrdiff_t>(2 * address_bytes));
  if (made.ipv6) {
    frame[ip] = std::byte{0x60};
    frame[ip + 6] = std::byte{made.extensions.empty() ? made.protocol : made.extensions.front()};
    for (size_t i = 0; i < made.extensions.size(); ++i) {
      const bool last = i + 1 == made.extensions.size();
      frame.push_back(std::byte{last ? made.protocol : made.extensions[i + 1]});
      frame.resize(frame.size() + 7);
    }
  } else {
    frame[ip] = std::byte{0x45};
    frame[ip + 6] = static_cast<std::byte>(made.fragment >> 8);
    frame[ip + 7] = static_cast<std::byte>(made.fragment);
    frame[ip + 9] = std::byte{made.protocol};
  }
  append16(frame, made.ports[0]);
  append16(frame, made.ports[1]);
  frame.resize(frame.size() + 40);
  return frame;
}

Made reversed(Made made) {
  const size_t bytes = made.ipv6 ? 16 : 4;
  std::swap_ranges(made.addresses.begin(),
                   made.addresses.begin() + static_cast<std::ptrdiff_t>(bytes),
                   made.addresses.begin() + static_cast<std::ptrdiff_t>(bytes));
  std::swap(made.ports[0], made.ports[1]);
  return made;
}

Made random_connection(std::mt19937& random, bool ipv6) {
  Made made;
  made.ipv6 = ipv6;
  for (std::byte& byte : made.addresses) byte = static_cast<std::byte>(random());
  for (uint16_t& port : made.ports) port = static_cast<uint16_t>(random());
  return made;
}

// As a card does it, bit for bit. Source: Microsoft, "RSS hashing functions".
uint32_t toeplitz_of_a_card(std::span<const std::byte> tuple) {
  uint32_t hash = 0;
  for (size_t bit = 0; bit < tuple.size() * 8; ++bit) {
    if ((std::to_integer<unsigned>(tuple[bit / 8]) & 0x80u >> bit % 8) == 0) continue;
    for (size_t i = 0; i < 32; ++i) {
      const size_t at = bit + i;
      hash ^= (kSymmetricKey[at / 8] >> (7 - at % 8) & 1u) << (31 - i);
    }
  }
  return hash;
}

TEST(SymmetricHash, IsWhatACardComputes) {
  std::mt19937 random(1);
  for (int i = 0; i < 1'000; ++i) {
    const Made made = random_connection(random, i % 2 == 1);
    const size_t bytes = made.ipv6 ? 32 : 8;
    std::vector<std::byte> tuple(made.addresses.begin(),
                                 made.addresses.begin() + static_cast<std::ptrdiff_t>(bytes));
    append16(tuple, made.ports[0]);
    append16(tuple, made.ports[1]);
    EXPECT_EQ(symmetric_hash(make(made)), toeplitz_of_a_card(tuple));
  }
}

TEST(SymmetricHash, ByAddressesPortsDoNotCount) {
  std::mt19937 random(4);
  for (int i = 0; i < 1'000; ++i) {
    Made made = random_connection(random, i % 2 == 1);
    const uint32_t hash = symmetric_hash(make(made), ShareBy::kAddresses);
    const auto bytes = made.ipv6 ? 32 : 8;
    EXPECT_EQ(hash, toeplitz_of_a_card({made.addresses.begin(), made.addresses.begin() + bytes}));
    made.ports[0] = static_cast<uint16_t>(random());
    EXPECT_EQ(symmetric_hash(make(made), ShareBy::kAddresses), hash);
    EXPECT_EQ(symmetric_hash(make(reversed(made)), ShareBy::kAddresses), hash);
    if (!made.ipv6) made.fragment = 0x2000;  // and fragments are where their connection is
    EXPECT_EQ(symmetric_hash(make(made), ShareBy::kAddresses), hash);
  }
}

TEST(SymmetricHash, IsTheSameInBothDirectionsAndUnderAnyWrapping) {
  std::mt19937 random(2);
  for (int i = 0; i < 1'000; ++i) {
    Made made = random_connection(random, i % 2 == 1);
    const uint32_t hash = symmetric_hash(make(made));
    EXPECT_EQ(symmetric_hash(make(reversed(made))), hash);
    made.tags = {7, 0};
    EXPECT_EQ(symmetric_hash(make(made)), hash);
    EXPECT_EQ(symmetric_hash(make(reversed(made))), hash);
    if (made.ipv6) made.extensions = {0, 60};
    EXPECT_EQ(symmetric_hash(make(reversed(made))), hash);
  }
}

TEST(SymmetricHash, BringsAllFragmentsToOneLcore) {
  std::mt19937 random(3);
  Made made = random_connection(random, false);
  made.fragment = 0x2000;  // the first of them: the ports are there
  const uint32_t first = symmetric_hash(make(made));
  made.fragment = 0x00B9;  // the last of them: something else is where the ports were
  made.ports[0] = 1;
  EXPECT_EQ(symmetric_hash(make(made)), first);
  Made six = random_connection(random, true);
  six.extensions = {44};
  const auto fragment = [](const Made& of) {
    Frame frame = make(of);
    frame[14 + 40 + 3] = std::byte{1};  // more follow
    return symmetric_hash(frame);
  };
  const uint32_t of_first = fragment(six);
  six.ports[0] ^= 0x55;
  EXPECT_EQ(fragment(six), of_first);
}

TEST(SymmetricHash, SharesConnectionsOut) {
  std::mt19937 random(4);
  for (const unsigned lcores : {2u, 3u, 4u, 7u, 16u}) {
    std::vector<int> counts(lcores);
    Made made = random_connection(random, false);  // one client, one origin: only ports differ
    for (int i = 0; i < 16'000; ++i) {
      made.ports[0] = static_cast<uint16_t>(32'768 + i);
      ++counts[lcore_of(symmetric_hash(make(made)), lcores)];
    }
    const int fair = 16'000 / static_cast<int>(lcores);
    EXPECT_GT(std::ranges::min(counts), fair * 7 / 10) << lcores;
    EXPECT_LT(std::ranges::max(counts), fair * 14 / 10) << lcores;
  }
}

// Otherwise a client could choose, segment by segment, an lcore that does not know its connection.
TEST(SymmetricHash, EverySegmentThatIsFollowedGoesByItsPorts) {
  std::mt19937 random(6);
  constexpr uint8_t kHeaders[] = {0, 43, 44, 60};
  int followed = 0;
  for (int i = 0; i < 300'000; ++i) {
    Made made = random_connection(random, i % 2 == 1);
    for (size_t count = random() % 10; made.ipv6 && count > 0; --count) {
      made.extensions.push_back(kHeaders[random() % std::size(kHeaders)]);
    }
    for (size_t count = random() % 4; count > 0; --count) made.tags.push_back(5);
    Frame bytes = make(made);
    const size_t ip = 14 + 4 * made.tags.size();
    const size_t length_at = ip + (made.ipv6 ? 4 : 2);
    store16(bytes, length_at, static_cast<uint16_t>(bytes.size() - ip - (made.ipv6 ? 40 : 0)));
    bytes[bytes.size() - 44 + 12] = std::byte{0x50};  // TCP's own header is 20 bytes long
    for (size_t flips = random() % 4; flips > 0; --flips) {
      bytes[12 + random() % (bytes.size() - 12)] = static_cast<std::byte>(random());
    }
    const soundgate::Frame frame = parse_frame(bytes);
    if (frame.kind != FrameKind::kTcp) continue;
    ++followed;
    Made plain;
    plain.ipv6 = frame.ipv6;
    const auto address_bytes = static_cast<std::ptrdiff_t>(frame.address_bytes());
    std::copy_n(frame.source.begin(), address_bytes, plain.addresses.begin());
    std::copy_n(frame.destination.begin(), address_bytes, plain.addresses.begin() + address_bytes);
    plain.ports[0] = frame.source_port;
    plain.ports[1] = frame.destination_port;
    ASSERT_EQ(symmetric_hash(bytes), symmetric_hash(make(plain))) << i;
  }
  EXPECT_GT(followed, 50'000);
}

TEST(SymmetricHash, ReadsNothingBehindTheFrame) {
  std::mt19937 random(5);
  for (int i = 0; i < 20'000; ++i) {
    Made made = random_connection(random, i % 2 == 1);
    if (made.ipv6) made.extensions = {0, 43, 60, 60};
    if (i % 3 == 0) made.tags = {1, 2, 3};
    Frame frame = make(made);
    frame[random() % frame.size()] = static_cast<std::byte>(random());
    const Frame cut(frame.begin(),
                    frame.begin() + static_cast<std::ptrdiff_t>(random() % frame.size()));
    (void)symmetric_hash(cut);
  }
}

}  // namespace
}  // namespace soundgate
