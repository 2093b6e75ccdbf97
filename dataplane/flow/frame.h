// Finds the TCP segment in an Ethernet frame.
// Input: a frame, any bytes, of any length. Output: where its parts are; nothing is copied.
// Understood: up to kVlanTagsMax VLAN tags (behind more, TCP is kTcpHidden); IPv4 with options;
// IPv6 with up to kExtensionHeadersMax extension headers; where more follow, or the frame ends
// among them, it is kTcpHidden, without ports. Fragments are not put together: later ones than the
// first are kOther, like everything else that is not for us to judge.
// Source: RFC 791, RFC 8200, RFC 9293 section 3.1, IEEE 802.1Q, 802.1ad.
#pragma once

#include <array>
#include <cstdint>

#include "dataplane/flow/bytes.h"

namespace soundgate {

enum TcpFlag : uint8_t {
  kFin = 0x01,
  kSyn = 0x02,
  kRst = 0x04,
  kPsh = 0x08,
  kAck = 0x10,
  kUrg = 0x20,
};

enum class FrameKind : uint8_t {
  kOther,
  kTcp,
  kTcpFragment,  // the first IP fragment of a TCP segment: ports and sequence number are known
  kTcpHidden,    // TCP, or what may be, out of reach: at most the ports are known (else 0)
};

// IPv4 addresses take the first 4 bytes, the rest is zero.
using Address = std::array<std::byte, 16>;

struct Frame {
  FrameKind kind = FrameKind::kOther;
  MutableBytes bytes;  // the whole frame
  bool ipv6 = false;
  bool cut = false;         // its IP packet is longer than what came of it
  uint32_t vlan = 0;        // the tags' identifiers, 12 bits each, the last one lowest; 0 for none
  uint16_t ip_offset = 0;   // bytes before it: Ethernet and VLAN headers
  uint16_t tcp_offset = 0;  // of the TCP header
  uint16_t payload_offset = 0;
  uint16_t payload_bytes = 0;
  Address source{};
  Address destination{};
  uint16_t source_port = 0;
  uint16_t destination_port = 0;
  uint32_t sequence = 0;
  uint32_t acknowledgment = 0;
  uint16_t window = 0;
  uint8_t flags = 0;
  uint64_t key_hash = 0;  // of its connection's key, where it concerns one; set by the engine

  bool has(TcpFlag flag) const { return (flags & flag) != 0; }
  MutableBytes payload() const { return bytes.subspan(payload_offset, payload_bytes); }
  MutableBytes options() const {
    return bytes.subspan(tcp_offset + 20u, payload_offset - tcp_offset - 20u);
  }
  size_t address_bytes() const { return ipv6 ? 16 : 4; }
};

Frame parse_frame(MutableBytes bytes);

// Of a kTcp frame.
bool tcp_checksum_is_right(const Frame& frame);
// After changing header or payload in place.
void fix_tcp_checksum(const Frame& frame);
// Takes the payload off a kTcp frame, and rights lengths and checksums. frame.bytes shrinks.
void drop_payload(Frame& frame);

}  // namespace soundgate
