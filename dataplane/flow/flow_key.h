// What names a connection: both ends and the VLAN. The same key for both directions, because the
// ends are told apart by the port (of the bump) that they are on.
#pragma once

#include <cstdint>

#include "dataplane/flow/frame.h"
#include "dataplane/port/packet_io.h"

namespace soundgate {

struct FlowKey {
  Address client{};
  Address origin{};
  uint16_t client_port = 0;
  uint16_t origin_port = 0;
  uint32_t vlan = 0;
  bool ipv6 = false;

  friend bool operator==(const FlowKey&, const FlowKey&) = default;
};

FlowKey flow_key(const Frame& frame, Side from);

// Keyed, so that nobody outside can choose connections that collide (SipHash-1-3).
struct HashSeed {
  uint64_t first = 0;
  uint64_t second = 0;
};

uint64_t hash(const FlowKey& key, const HashSeed& seed);

}  // namespace soundgate
