#include "dataplane/flow/symmetric_hash.h"

#include <bit>

#include "dataplane/limits.h"

namespace soundgate {
namespace {

constexpr uint16_t kEtherIpv4 = 0x0800;
constexpr uint16_t kEtherIpv6 = 0x86DD;
constexpr uint8_t kProtocolTcp = 6;
constexpr uint8_t kProtocolUdp = 17;
constexpr uint8_t kFragmentHeader = 44;
constexpr size_t kIpv6Bytes = 40;
constexpr size_t kPortsBytes = 4;

bool is_vlan(uint16_t type) { return type == 0x8100 || type == 0x88A8 || type == 0x9100; }
bool has_ports(uint8_t protocol) { return protocol == kProtocolTcp || protocol == kProtocolUdp; }

uint16_t folded(Bytes bytes) {
  uint16_t sum = 0;
  for (size_t at = 0; at + 2 <= bytes.size(); at += 2) {
    sum = static_cast<uint16_t>(sum ^ load16(bytes, at));
  }
  return sum;
}

uint16_t ports_at(Bytes ip, size_t at) {
  return at + kPortsBytes <= ip.size() ? folded(ip.subspan(at, kPortsBytes)) : uint16_t{0};
}

uint16_t folded_ipv4(Bytes ip, ShareBy share_by) {
  if (ip.size() < 20) return 0;
  const uint16_t addresses = folded(ip.subspan(12, 8));
  if (share_by == ShareBy::kAddresses) return addresses;
  const bool fragment = (load16(ip, 6) & 0x3FFF) != 0;  // more follow, or others came before
  if (fragment || !has_ports(load8(ip, 9))) return addresses;
  return static_cast<uint16_t>(addresses ^ ports_at(ip, (load8(ip, 0) & 0x0Fu) * 4u));
}

// A "fragment" of a whole packet (RFC 6946) is followed like any other segment.
uint16_t folded_ipv6(Bytes ip, ShareBy share_by) {
  if (ip.size() < kIpv6Bytes) return 0;
  const uint16_t addresses = folded(ip.subspan(8, 32));
  if (share_by == ShareBy::kAddresses) return addresses;
  uint8_t next = load8(ip, 6);
  size_t at = kIpv6Bytes;
  for (size_t count = 0; count <= kExtensionHeadersMax; ++count) {
    if (has_ports(next)) return static_cast<uint16_t>(addresses ^ ports_at(ip, at));
    if (at + 8 > ip.size()) return addresses;
    const bool whole = next == kFragmentHeader && (load16(ip, at + 2) & 0xFFF9) == 0;
    const bool can_be_read_over = next == 0 || next == 43 || next == 60 || whole;
    if (!can_be_read_over) return addresses;
    next = load8(ip, at);
    at += whole ? 8 : (load8(ip, at + 1) + 1u) * 8u;
  }
  return addresses;
}

uint16_t folded_frame(Bytes frame, ShareBy share_by) {
  size_t at = 14;
  if (frame.size() < at) return 0;
  uint16_t type = load16(frame, at - 2);
  for (; is_vlan(type) && frame.size() >= at + 4; at += 4) type = load16(frame, at + 2);
  if (type == kEtherIpv4) return folded_ipv4(frame.subspan(at), share_by);
  if (type == kEtherIpv6) return folded_ipv6(frame.subspan(at), share_by);
  return 0;
}

// A Toeplitz hash is linear, and with this key that of a word does not depend on its place.
constexpr uint16_t toeplitz(uint16_t word) {
  uint16_t hash = 0;
  for (int bit = 0; bit < 16; ++bit) {
    if ((word & 0x8000 >> bit) != 0) hash ^= std::rotl(kSymmetricKeyWord, bit);
  }
  return hash;
}

constexpr auto kToeplitz = [] {
  struct {
    std::array<uint16_t, 256> high, low;
  } tables{};
  for (size_t byte = 0; byte < 256; ++byte) {
    tables.high[byte] = toeplitz(static_cast<uint16_t>(byte << 8));
    tables.low[byte] = toeplitz(static_cast<uint16_t>(byte));
  }
  return tables;
}();

}  // namespace

uint32_t symmetric_hash(Bytes frame, ShareBy share_by) {
  const uint16_t word = folded_frame(frame, share_by);
  const auto half = static_cast<uint16_t>(kToeplitz.high[word >> 8] ^ kToeplitz.low[word & 0xFF]);
  return uint32_t{half} << 16 | half;
}

}  // namespace soundgate
