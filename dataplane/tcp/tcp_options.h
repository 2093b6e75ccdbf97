// TCP options: the two we need to know, and the ones that must not get through in a SYN.
// Source: RFC 9293 section 3.1, RFC 7323 (timestamps), RFC 8684 (MPTCP), RFC 7413 (Fast Open).
#pragma once

#include <cstdint>
#include <optional>

#include "dataplane/flow/bytes.h"

namespace soundgate {

struct Timestamps {
  uint32_t value = 0;
  uint32_t echo = 0;
};

struct TcpOptions {
  std::optional<uint16_t> segment_bytes_max;  // of SYNs
  std::optional<Timestamps> timestamps;
};

// Of two values of one end's clock, the later one (RFC 7323 section 5.2): segments overtake each
// other, and one of ours with a value that the other end is past would be dropped.
constexpr bool is_later_time(uint32_t value, uint32_t than) {
  return static_cast<int32_t>(value - than) > 0;
}

TcpOptions parse_tcp_options(Bytes options);

// Overwrites options with NOPs: Multipath (a second subflow would bypass the inspection) and Fast
// Open (data in SYNs). Returns whether there were any: then the checksum has to be fixed.
bool neutralise_syn_options(MutableBytes options);

}  // namespace soundgate
