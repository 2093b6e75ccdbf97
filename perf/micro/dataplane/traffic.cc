#include "perf/micro/dataplane/traffic.h"

#include <cstring>

#include "dataplane/flow/checksum.h"
#include "dataplane/flow/frame.h"

namespace soundgate::perf {
namespace {

constexpr size_t kEthernetBytes = 14, kIpBytes = 20, kTcpBytes = 20;
constexpr size_t kConnectionsPerClient = 50'000;
constexpr uint16_t kOriginPort = 80;

void write_link_and_ip(MutableBytes frame, uint32_t source, uint32_t destination, size_t ip_bytes) {
  store16(frame, 12, 0x0800);
  const MutableBytes ip = frame.subspan(kEthernetBytes, kIpBytes);
  store16(ip, 0, 0x4500);
  store16(ip, 2, static_cast<uint16_t>(ip_bytes));
  store32(ip, 8, 0x40060000);  // 64 hops, TCP, no checksum yet
  store32(ip, 12, source);
  store32(ip, 16, destination);
  store16(ip, 10, checksum_finish(checksum_add(0, ip)));
}

}  // namespace

size_t Traffic::make(size_t connection, Side from, uint8_t flags, std::string_view payload,
                     Frame& frame) {
  const uint32_t client = 0x0A000001 + static_cast<uint32_t>(connection / kConnectionsPerClient);
  const uint32_t origin = 0x0AFF0001;
  const auto client_port = static_cast<uint16_t>(10'000 + connection % kConnectionsPerClient);
  const bool of_client = from == Side::kClient;
  const size_t segment_bytes = kTcpBytes + payload.size();
  std::memset(frame.data(), 0, kEthernetBytes + kIpBytes + kTcpBytes);
  write_link_and_ip(frame, of_client ? client : origin, of_client ? origin : client,
                    kIpBytes + segment_bytes);
  const MutableBytes ip = MutableBytes(frame).subspan(kEthernetBytes);
  const MutableBytes tcp = ip.subspan(kIpBytes, segment_bytes);
  Connection& state = connections_[connection];
  store16(tcp, 0, of_client ? client_port : kOriginPort);
  store16(tcp, 2, of_client ? kOriginPort : client_port);
  store32(tcp, 4, state.sent[static_cast<size_t>(from)]);
  store32(tcp, 8, (flags & kAck) != 0 ? state.sent[static_cast<size_t>(other(from))] : 0);
  store8(tcp, 12, 0x50);
  store8(tcp, 13, flags);
  store16(tcp, 14, 0xFFFF);
  std::memcpy(tcp.data() + kTcpBytes, payload.data(), payload.size());
  store16(tcp, 16, tcp_checksum(ip.subspan(12, 4), ip.subspan(16, 4), tcp));
  state.sent[static_cast<size_t>(from)] +=
      static_cast<uint32_t>(payload.size()) + ((flags & kSyn) != 0 ? 1 : 0);
  return kEthernetBytes + kIpBytes + segment_bytes;
}

}  // namespace soundgate::perf
