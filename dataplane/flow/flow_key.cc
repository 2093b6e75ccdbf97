#include "dataplane/flow/flow_key.h"

#include <bit>
#include <cstring>

namespace soundgate {
namespace {

// SipHash (Aumasson and Bernstein, 2012) with 1 round a word and 3 to finish.
class SipHash {
 public:
  explicit SipHash(const HashSeed& seed)
      : v0_(seed.first ^ 0x736f6d6570736575ull),
        v1_(seed.second ^ 0x646f72616e646f6dull),
        v2_(seed.first ^ 0x6c7967656e657261ull),
        v3_(seed.second ^ 0x7465646279746573ull) {}

  void add(uint64_t word) {
    v3_ ^= word;
    round();
    v0_ ^= word;
  }

  uint64_t finish() {
    v2_ ^= 0xFF;
    for (int count = 0; count < 3; ++count) round();
    return v0_ ^ v1_ ^ v2_ ^ v3_;
  }

 private:
  void round() {
    v0_ += v1_;
    v1_ = std::rotl(v1_, 13) ^ v0_;
    v0_ = std::rotl(v0_, 32);
    v2_ += v3_;
    v3_ = std::rotl(v3_, 16) ^ v2_;
    v0_ += v3_;
    v3_ = std::rotl(v3_, 21) ^ v0_;
    v2_ += v1_;
    v1_ = std::rotl(v1_, 17) ^ v2_;
    v2_ = std::rotl(v2_, 32);
  }

  uint64_t v0_, v1_, v2_, v3_;
};

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
