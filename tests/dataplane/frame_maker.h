// Frames for tests, also longer ones than Soundgate itself writes, and ones cut into IP fragments.
#pragma once

#include <vector>

#include "dataplane/flow/checksum.h"
#include "dataplane/flow/frame.h"
#include "dataplane/tcp/segment_writer.h"

namespace soundgate::test {

using FrameBytes = std::vector<std::byte>;

// Rights the lengths and checksums of a frame whose IP header is at this offset.
inline void fix_lengths(FrameBytes& frame, size_t ip_offset) {
  const MutableBytes ip = MutableBytes(frame).subspan(ip_offset);
  if (load8(ip, 0) >> 4 == 6) {
    store16(ip, 4, static_cast<uint16_t>(ip.size() - 40));
  } else {
    store16(ip, 2, static_cast<uint16_t>(ip.size()));
    store16(ip, 10, 0);
    store16(ip, 10, checksum_finish(checksum_add(0, ip.first((load8(ip, 0) & 0x0Fu) * 4u))));
  }
  const Frame parsed = parse_frame(frame);
  if (parsed.kind == FrameKind::kTcp) fix_tcp_checksum(parsed);
}

// The payload may be as long as IP allows.
inline FrameBytes make_frame(const FlowKey& key, const LinkHeader& link, Side to,
                             const SegmentFields& fields, Bytes payload) {
  SegmentWriter writer;
  const Bytes header = writer.write(key, link, to, fields, {});
  FrameBytes frame(header.begin(), header.end());
  frame.insert(frame.end(), payload.begin(), payload.end());
  fix_lengths(frame, link.bytes);
  return frame;
}

// The pieces of an untagged IPv4 frame, the first with so many bytes of its segment (times 8).
inline std::vector<FrameBytes> in_ipv4_fragments(const FrameBytes& frame, size_t first_units) {
  constexpr size_t kIp = 14, kHeaders = kIp + 20;
  const size_t cut = kHeaders + 8 * first_units;
  FrameBytes first(frame.begin(), frame.begin() + static_cast<std::ptrdiff_t>(cut));
  FrameBytes second(frame.begin(), frame.begin() + kHeaders);
  second.insert(second.end(), frame.begin() + static_cast<std::ptrdiff_t>(cut), frame.end());
  store16(first, kIp + 6, 0x2000);
  store16(second, kIp + 6, static_cast<uint16_t>(first_units));
  fix_lengths(first, kIp);
  fix_lengths(second, kIp);
  return {first, second};
}

// The same of an untagged IPv6 frame.
inline std::vector<FrameBytes> in_ipv6_fragments(const FrameBytes& frame, size_t first_units) {
  constexpr size_t kIp = 14, kHeaders = kIp + 40;
  const size_t cut = kHeaders + 8 * first_units;
  const auto piece = [&](size_t begin, size_t end, uint16_t field) {
    FrameBytes bytes(frame.begin(), frame.begin() + kHeaders);
    store8(bytes, kIp + 6, 44);
    FrameBytes header(8);
    store8(header, 0, 6);
    store16(header, 2, field);
    bytes.insert(bytes.end(), header.begin(), header.end());
    bytes.insert(bytes.end(), frame.begin() + static_cast<std::ptrdiff_t>(begin),
                 frame.begin() + static_cast<std::ptrdiff_t>(end));
    store16(bytes, kIp + 4, static_cast<uint16_t>(bytes.size() - kHeaders));
    return bytes;
  };
  return {piece(kHeaders, cut, 1),
          piece(cut, frame.size(), static_cast<uint16_t>(8 * first_units))};
}

}  // namespace soundgate::test
