#include "dataplane/flow/frame.h"

#include <algorithm>

#include "dataplane/flow/checksum.h"
#include "dataplane/limits.h"

namespace soundgate {
namespace {

constexpr uint16_t kEtherIpv4 = 0x0800;
constexpr uint16_t kEtherIpv6 = 0x86DD;
constexpr uint16_t kEtherVlan = 0x8100;
constexpr uint16_t kEtherServiceVlan = 0x88A8;
constexpr uint16_t kEtherOldVlan = 0x9100;  // service tags, before there was a standard
constexpr uint8_t kProtocolTcp = 6;
constexpr size_t kEthernetBytes = 14;
constexpr size_t kVlanBytes = 4;
constexpr size_t kIpv4BytesMin = 20;
constexpr size_t kIpv6Bytes = 40;
constexpr size_t kTcpBytesMin = 20;

struct Link {
  uint16_t type = 0;
  size_t tags = 0;
};

bool is_vlan(uint16_t type) {
  return type == kEtherVlan || type == kEtherServiceVlan || type == kEtherOldVlan;
}

// A tag with identifier 0 is a priority only: with and without it, it is the same connection.
Link parse_link(Frame& frame) {
  const Bytes bytes = frame.bytes;
  size_t at = kEthernetBytes;
  Link link{load16(bytes, at - 2), 0};
  for (; is_vlan(link.type) && bytes.size() >= at + kVlanBytes; at += kVlanBytes) {
    const uint16_t identifier = load16(bytes, at) & 0x0FFF;
    if (identifier != 0) frame.vlan = frame.vlan << 12 | identifier;
    link.type = load16(bytes, at + 2);
    ++link.tags;
  }
  frame.ip_offset = static_cast<uint16_t>(at);
  return link;
}

// Where the IP payload is, and whether it is a TCP segment or the first piece of one.
struct IpPayload {
  FrameKind kind = FrameKind::kOther;
  size_t begin = 0;
  size_t end = 0;
};

IpPayload parse_ipv4(Frame& frame) {
  const Bytes ip = Bytes(frame.bytes).subspan(frame.ip_offset);
  if (ip.size() < kIpv4BytesMin || load8(ip, 0) >> 4 != 4) return {};
  const size_t header_bytes = (load8(ip, 0) & 0x0Fu) * 4u;
  const size_t total_bytes = load16(ip, 2);
  frame.cut = total_bytes > ip.size();
  const bool sane = header_bytes >= kIpv4BytesMin && total_bytes >= header_bytes &&
                    total_bytes <= ip.size() && load8(ip, 9) == kProtocolTcp;
  if (!sane) return {};
  const uint16_t fragment = load16(ip, 6);
  const bool more_fragments = (fragment & 0x2000) != 0;
  if ((fragment & 0x1FFF) != 0) return {};
  std::ranges::copy(ip.subspan(12, 4), frame.source.begin());
  std::ranges::copy(ip.subspan(16, 4), frame.destination.begin());
  return {more_fragments ? FrameKind::kTcpFragment : FrameKind::kTcp, header_bytes, total_bytes};
}

bool is_extension_header(uint8_t next) { return next == 0 || next == 43 || next == 60; }

IpPayload parse_ipv6(Frame& frame) {
  constexpr uint8_t kFragmentHeader = 44;
  const Bytes ip = Bytes(frame.bytes).subspan(frame.ip_offset);
  if (ip.size() < kIpv6Bytes || load8(ip, 0) >> 4 != 6) return {};
  const size_t end = kIpv6Bytes + load16(ip, 4);
  frame.cut = end > ip.size();
  if (frame.cut) return {};
  frame.ipv6 = true;
  std::ranges::copy(ip.subspan(8, 16), frame.source.begin());
  std::ranges::copy(ip.subspan(24, 16), frame.destination.begin());

  // TCP may follow behind what can be seen: origins read longer chains than we do.
  const IpPayload cut_short = {FrameKind::kTcpHidden, end, end};
  uint8_t next = load8(ip, 6);
  size_t at = kIpv6Bytes;
  FrameKind kind = FrameKind::kTcp;
  for (size_t count = 0; count < kExtensionHeadersMax && next != kProtocolTcp; ++count) {
    if (next != kFragmentHeader && !is_extension_header(next)) return {};
    if (at + 8 > end) return cut_short;
    if (next == kFragmentHeader) {
      const uint16_t fragment = load16(ip, at + 2);
      if ((fragment & 0xFFF8) != 0) return {};
      if ((fragment & 1) != 0) kind = FrameKind::kTcpFragment;
      next = load8(ip, at);
      at += 8;
    } else {
      next = load8(ip, at);
      at += (load8(ip, at + 1) + 1u) * 8u;
    }
  }
  const bool goes_on = next == kFragmentHeader || is_extension_header(next);
  if (next != kProtocolTcp && !goes_on) return {};
  if (goes_on || at > end) return cut_short;
  return {kind, at, end};
}

void parse_tcp(Frame& frame, const IpPayload& payload) {
  const Bytes tcp =
      Bytes(frame.bytes).subspan(frame.ip_offset + payload.begin, payload.end - payload.begin);
  if (tcp.size() >= 4) {
    frame.source_port = load16(tcp, 0);
    frame.destination_port = load16(tcp, 2);
  }
  if (payload.kind != FrameKind::kTcp) {
    // Fragments are cut at multiples of 8 bytes: the first one has the sequence number.
    const bool cut_short = tcp.size() < 8;
    frame.kind = cut_short ? FrameKind::kTcpHidden : payload.kind;
    if (!cut_short) frame.sequence = load32(tcp, 4);
    return;
  }
  if (tcp.size() < kTcpBytesMin) return;
  frame.tcp_offset = static_cast<uint16_t>(frame.ip_offset + payload.begin);
  const size_t header_bytes = (load8(tcp, 12) >> 4) * 4u;
  if (header_bytes < kTcpBytesMin || header_bytes > tcp.size()) return;
  frame.sequence = load32(tcp, 4);
  frame.acknowledgment = load32(tcp, 8);
  frame.flags = load8(tcp, 13) & 0x3F;
  frame.window = load16(tcp, 14);
  frame.payload_offset = static_cast<uint16_t>(frame.tcp_offset + header_bytes);
  frame.payload_bytes = static_cast<uint16_t>(tcp.size() - header_bytes);
  frame.kind = FrameKind::kTcp;
}

Bytes segment_of(const Frame& frame) {
  return Bytes(frame.bytes)
      .subspan(frame.tcp_offset, frame.payload_offset + frame.payload_bytes - frame.tcp_offset);
}

uint16_t checksum_of(const Frame& frame) {
  const size_t bytes = frame.address_bytes();
  return tcp_checksum(Bytes(frame.source).first(bytes), Bytes(frame.destination).first(bytes),
                      segment_of(frame));
}

}  // namespace

Frame parse_frame(MutableBytes bytes) {
  Frame frame;
  frame.bytes = bytes;
  if (bytes.size() < kEthernetBytes) return frame;
  const Link link = parse_link(frame);
  IpPayload payload;
  if (link.type == kEtherIpv4) payload = parse_ipv4(frame);
  if (link.type == kEtherIpv6) payload = parse_ipv6(frame);
  if (payload.kind != FrameKind::kOther && link.tags > kVlanTagsMax) {
    payload.kind = FrameKind::kTcpHidden;
  }
  if (payload.kind != FrameKind::kOther) parse_tcp(frame, payload);
  return frame;
}

bool tcp_checksum_is_right(const Frame& frame) { return checksum_of(frame) == 0; }

void fix_tcp_checksum(const Frame& frame) {
  store16(frame.bytes, frame.tcp_offset + 16u, 0);
  store16(frame.bytes, frame.tcp_offset + 16u, checksum_of(frame));
}

void drop_payload(Frame& frame) {
  const MutableBytes ip = frame.bytes.subspan(frame.ip_offset);
  if (frame.ipv6) {
    store16(ip, 4, static_cast<uint16_t>(load16(ip, 4) - frame.payload_bytes));
  } else {
    store16(ip, 2, static_cast<uint16_t>(load16(ip, 2) - frame.payload_bytes));
    store16(ip, 10, 0);
    store16(ip, 10, checksum_finish(checksum_add(0, ip.first((load8(ip, 0) & 0x0Fu) * 4u))));
  }
  frame.payload_bytes = 0;
  frame.bytes = frame.bytes.first(frame.payload_offset);
  fix_tcp_checksum(frame);
}

}  // namespace soundgate
