#include "dataplane/tcp/segment_writer.h"

#include <algorithm>
#include <cassert>

#include "dataplane/flow/checksum.h"

namespace soundgate {
namespace {

constexpr uint8_t kHops = 64;
constexpr size_t kTcpBytes = 20;
constexpr size_t kTimestampBytes = 12;  // the option and two NOPs

}  // namespace

Bytes SegmentWriter::write(const FlowKey& key, const LinkHeader& link, Side to,
                           const SegmentFields& fields, Bytes payload) {
  assert(payload.size() <= kSegmentBytesMax);
  const size_t options_bytes = fields.timestamps ? kTimestampBytes : 0;
  at_ = 0;
  write_link(link, to);
  write_ip(key, to, kTcpBytes + options_bytes + payload.size());
  write_tcp(key, to, fields, payload);
  return Bytes(frame_).first(at_);
}

// Towards the client, the two addresses change places.
void SegmentWriter::write_link(const LinkHeader& link, Side to) {
  constexpr size_t kMacBytes = 6;
  std::ranges::copy(Bytes(link.data).first(link.bytes), frame_.begin());
  if (to == Side::kClient) {
    std::swap_ranges(frame_.begin(), frame_.begin() + kMacBytes, frame_.begin() + kMacBytes);
  }
  at_ = link.bytes;
}

void SegmentWriter::write_ip(const FlowKey& key, Side to, size_t segment_bytes) {
  constexpr uint8_t kProtocolTcp = 6;
  const Address& source = to == Side::kOrigin ? key.client : key.origin;
  const Address& destination = to == Side::kOrigin ? key.origin : key.client;
  const MutableBytes ip = MutableBytes(frame_).subspan(at_);
  if (key.ipv6) {
    store32(ip, 0, 0x60000000);
    store16(ip, 4, static_cast<uint16_t>(segment_bytes));
    store8(ip, 6, kProtocolTcp);
    store8(ip, 7, kHops);
    std::ranges::copy(source, ip.begin() + 8);
    std::ranges::copy(destination, ip.begin() + 24);
    at_ += 40;
    return;
  }
  store16(ip, 0, 0x4500);
  store16(ip, 2, static_cast<uint16_t>(20 + segment_bytes));
  store16(ip, 4, identification_++);
  store16(ip, 6, 0x4000);  // don't fragment
  store8(ip, 8, kHops);
  store8(ip, 9, kProtocolTcp);
  store16(ip, 10, 0);
  std::ranges::copy(Bytes(source).first(4), ip.begin() + 12);
  std::ranges::copy(Bytes(destination).first(4), ip.begin() + 16);
  store16(ip, 10, checksum_finish(checksum_add(0, ip.first(20))));
  at_ += 20;
}

void SegmentWriter::write_tcp(const FlowKey& key, Side to, const SegmentFields& fields,
                              Bytes payload) {
  const size_t address_bytes = key.ipv6 ? 16 : 4;
  const size_t header_bytes = kTcpBytes + (fields.timestamps ? kTimestampBytes : 0);
  const MutableBytes tcp = MutableBytes(frame_).subspan(at_, header_bytes + payload.size());
  store16(tcp, 0, to == Side::kOrigin ? key.client_port : key.origin_port);
  store16(tcp, 2, to == Side::kOrigin ? key.origin_port : key.client_port);
  store32(tcp, 4, fields.sequence);
  store32(tcp, 8, fields.acknowledgment);
  store8(tcp, 12, static_cast<uint8_t>(header_bytes / 4 << 4));
  store8(tcp, 13, fields.flags);
  store16(tcp, 14, fields.window);
  store32(tcp, 16, 0);
  if (fields.timestamps) {
    store32(tcp, 20, 0x0101080A);  // NOP, NOP, timestamps, 10 bytes
    store32(tcp, 24, fields.timestamps->value);
    store32(tcp, 28, fields.timestamps->echo);
  }
  std::ranges::copy(payload, tcp.begin() + static_cast<std::ptrdiff_t>(header_bytes));
  store16(tcp, 16,
          tcp_checksum(Bytes(key.client).first(address_bytes),
                       Bytes(key.origin).first(address_bytes), tcp));
  at_ += tcp.size();
}

}  // namespace soundgate
