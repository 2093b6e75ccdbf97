#include "dataplane/flow/flow_key.h"

#include <cstring>

#include "dataplane/flow/sip_hash.h"

namespace soundgate {
namespace {

void add(SipHash& hasher, const Address& address) {
  uint64_t words[2];
  static_assert(sizeof words == sizeof address);
  std::memcpy(words, address.data(), sizeof words);
  hasher.add(words[0]);
  hasher.add(words[1]);
}

}  // namespace

FlowKey flow_key(const Frame& frame, Side from) {
  const bool from_client = from == Side::kClient;
  FlowKey key;
  key.client = from_client ? frame.source : frame.destination;
  key.origin = from_client ? frame.destination : frame.source;
  key.client_port = from_client ? frame.source_port : frame.destination_port;
  key.origin_port = from_client ? frame.destination_port : frame.source_port;
  key.vlan = frame.vlan;
  key.ipv6 = frame.ipv6;
  return key;
}

uint64_t hash(const FlowKey& key, const HashSeed& seed) {
  SipHash hasher(seed);
  add(hasher, key.client);
  add(hasher, key.origin);
  hasher.add(uint64_t{key.client_port} << 48 | uint64_t{key.origin_port} << 32 |
             uint64_t{key.vlan} << 1 | uint64_t{key.ipv6});
  return hasher.finish();
}

}  // namespace soundgate
