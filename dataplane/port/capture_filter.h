// Whose frames are captured: those of a client, or of one of its connections.
// Input: frames as they are on the wire, any bytes.
// Of a network: all IP, whatever is in it (ICMP says why packets do not arrive), behind any VLAN
// tags that are read here. With a port: what has ports, so no later fragments. ARP has no client.
// Errors: text that says what is wrong with it.
// Thread: a value.  Memory: nothing is allocated by matches().
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <tl/expected.hpp>

#include "dataplane/flow/network.h"
#include "dataplane/port/packet_io.h"

namespace soundgate {

struct CaptureFilter {
  Network client{};
  uint16_t client_port = 0;  // 0: any

  // from: the end that has sent it; none: that cannot be told, and the client may be either.
  bool matches(MutableBytes frame, std::optional<Side> from) const;
};

// "192.0.2.0/24", "192.0.2.7", "192.0.2.7:49152", "2001:db8::/32", "[2001:db8::7]:49152".
tl::expected<CaptureFilter, std::string> parse_capture_filter(std::string_view text);

}  // namespace soundgate
