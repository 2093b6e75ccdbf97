// Which uploads (or resources) hold some of what all clients share (decoders, places in the log),
// and how many of them each client has: so that it can be said whose gives way (README, decision
// 31). A client is an address; of IPv6 its first 64 bits, since whoever has one has all of those.
// They are counted by a keyed hash: two that share a count by chance are one, and nobody can choose
// whose he shares.
// Thread: the owning lcore.  Memory: allocated once.
#pragma once

#include <cstdint>
#include <vector>

#include "dataplane/flow/flow_key.h"

namespace soundgate {

class Holdings {
 public:
  Holdings(size_t slots, const HashSeed& seed);

  void add(uint16_t slot, const FlowKey& key);  // it must have none
  void remove(uint16_t slot);                   // of one that has none: nothing

  size_t count() const { return holders_.size(); }
  // A number that is the same in all holdings with this seed.
  uint16_t client_of(const FlowKey& key) const;
  uint16_t client_of(uint16_t slot) const { return clients_[slot]; }
  size_t held_by(uint16_t client) const { return counts_[client]; }
  // One that holds after the other, round and round; of a table that has some.
  uint16_t next_in_turn() { return holders_[++turn_ % holders_.size()]; }

 private:
  static constexpr size_t kCounts = 16'384;
  static constexpr uint16_t kNone = 0xFFFF;

  HashSeed seed_;
  std::vector<uint16_t> holders_;   // slots, or indices of resources
  std::vector<uint16_t> place_of_;  // of each slot among the holders, or kNone
  std::vector<uint16_t> clients_;   // of each slot: index of its client's count
  std::vector<uint16_t> counts_;
  size_t turn_ = 0;
};

}  // namespace soundgate
