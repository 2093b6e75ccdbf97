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

TcpOptions parse_tcp_options(Bytes options);

// Overwrites options with NOPs: Multipath (a second subflow would bypass the inspection) and Fast
// Open (data in SYNs). Returns whether there were any: then the checksum has to be fixed.
bool neutralise_syn_options(MutableBytes options);

}  // namespace soundgate
