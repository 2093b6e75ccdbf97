#include "dataplane/gate/holdings.h"

#include <algorithm>
#include <cassert>

namespace soundgate {

Holdings::Holdings(size_t slots, const HashSeed& seed)
    : seed_(seed), place_of_(slots, kNone), clients_(slots), counts_(kCounts) {
  holders_.reserve(slots);
}

void Holdings::add(uint16_t slot, const FlowKey& key) {
  assert(place_of_[slot] == kNone);
  place_of_[slot] = static_cast<uint16_t>(holders_.size());
  holders_.push_back(slot);
  clients_[slot] = client_of(key);
  ++counts_[clients_[slot]];
}

void Holdings::remove(uint16_t slot) {
  const uint16_t place = place_of_[slot];
  if (place == kNone) return;
  place_of_[holders_.back()] = place;
  holders_[place] = holders_.back();
  holders_.pop_back();
  place_of_[slot] = kNone;
  --counts_[clients_[slot]];
}

uint16_t Holdings::client_of(const FlowKey& key) const {
  constexpr size_t kNetworkBytes = 8;
  FlowKey client;
  client.ipv6 = key.ipv6;
  std::copy_n(key.client.begin(), key.ipv6 ? kNetworkBytes : key.client.size(),
              client.client.begin());
  return static_cast<uint16_t>(hash(client, seed_) % kCounts);
}

}  // namespace soundgate
