#include "dataplane/port/capture_filter.h"

#include <algorithm>
#include <charconv>

namespace soundgate {
namespace {

constexpr uint16_t kEtherIpv4 = 0x0800;
constexpr uint16_t kEtherIpv6 = 0x86DD;

// The addresses of any IP packet: parse_frame() says them of TCP alone.
bool find_addresses(Frame& frame) {
  if (frame.ip_offset < 2 || frame.bytes.size() < frame.ip_offset) return false;
  const uint16_t type = load16(frame.bytes, frame.ip_offset - 2u);
  if (type != kEtherIpv4 && type != kEtherIpv6) return false;
  frame.ipv6 = type == kEtherIpv6;
  const size_t source_offset = frame.ipv6 ? 8 : 12;
  const size_t address_bytes = frame.address_bytes();
  const Bytes ip = Bytes(frame.bytes).subspan(frame.ip_offset);
  if (ip.size() < source_offset + 2 * address_bytes) return false;
  std::ranges::copy(ip.subspan(source_offset, address_bytes), frame.source.begin());
  std::ranges::copy(ip.subspan(source_offset + address_bytes, address_bytes),
                    frame.destination.begin());
  return true;
}

tl::expected<uint16_t, std::string> parse_port(std::string_view text) {
  uint16_t port = 0;
  const auto [stop, error] = std::from_chars(text.data(), text.data() + text.size(), port);
  if (error != std::errc() || stop != text.data() + text.size() || port == 0) {
    return tl::unexpected(std::string("a port is 1..65535"));
  }
  return port;
}

}  // namespace

bool CaptureFilter::matches(MutableBytes bytes, std::optional<Side> from) const {
  Frame frame = parse_frame(bytes);
  if (!find_addresses(frame)) return false;
  const auto is_client = [&](const Address& address, uint16_t port) {
    return (client_port == 0 || port == client_port) && client.contains(address, frame.ipv6);
  };
  const bool is_source = is_client(frame.source, frame.source_port);
  const bool is_destination = is_client(frame.destination, frame.destination_port);
  if (!from) return is_source || is_destination;
  return *from == Side::kClient ? is_source : is_destination;
}

tl::expected<CaptureFilter, std::string> parse_capture_filter(std::string_view text) {
  std::string_view address = text;
  std::string_view port;
  const size_t colon = text.rfind(':');
  const bool in_brackets = text.starts_with('[');
  if (in_brackets) {
    const size_t bracket = text.find(']');
    if (bracket == text.npos) return tl::unexpected(std::string("a ] is missing"));
    address = text.substr(1, bracket - 1);
    port = text.substr(bracket + 1);
    if (!port.empty() && port.front() != ':') {
      return tl::unexpected(std::string("behind the ] comes :PORT"));
    }
  } else if (colon != text.npos && text.find(':') == colon) {
    address = text.substr(0, colon);
    port = text.substr(colon);
  }
  CaptureFilter filter;
  const auto network = parse_network(address);
  if (!network) return tl::unexpected(network.error());
  filter.client = *network;
  if (port.empty()) return filter;
  const auto number = parse_port(port.substr(1));
  if (!number) return tl::unexpected(number.error());
  filter.client_port = *number;
  return filter;
}

}  // namespace soundgate
