// Brings each received packet to the lcore that owns its connection (or its hosts: ShareBy). Cards
// that hash bring most of them there already; whether they did is not relied on: the hash is taken
// of every packet. What an lcore's ring has no room for is dropped and counted: its sender slows
// down. Thread: one Steering each lcore, used by it alone; the rings are shared.
#pragma once

#include <array>
#include <span>
#include <vector>

#include "dataplane/counters.h"
#include "dataplane/flow/symmetric_hash.h"
#include "dataplane/limits.h"
#include "dataplane/port/handover.h"
#include "dataplane/port/packet_io.h"

namespace soundgate {

// What other lcores received for this one, by the port that it came in on.
using Inbox = std::array<Handover, 2>;

class Steering {
 public:
  // inboxes: of all lcores, by their index; at most kLcoresMax.
  Steering(std::span<Inbox> inboxes, unsigned lcore_index, ShareBy share_by)
      : inboxes_(inboxes),
        lcore_index_(lcore_index),
        share_by_(share_by),
        leaving_(inboxes.size()) {}

  // Hands over what belongs elsewhere, and moves what is this lcore's own to the front. Returns how
  // many packets that are. At most kBurstFrames at a time.
  size_t keep_own(Side from, std::span<rte_mbuf*> burst);

  // What others have received for this lcore.
  size_t take(Side from, std::span<rte_mbuf*> burst) { return own(from).take(burst); }

  const Counter& handed_over() const { return handed_over_; }
  const Counter& dropped() const { return dropped_; }

 private:
  struct Leaving {
    size_t count = 0;
    std::array<rte_mbuf*, kBurstFrames> packets;
  };

  Handover& own(Side from) { return inboxes_[lcore_index_][static_cast<size_t>(from)]; }
  void hand_over(Side from, unsigned lcore, std::span<rte_mbuf*> packets);

  const std::span<Inbox> inboxes_;
  const unsigned lcore_index_;
  const ShareBy share_by_;
  std::vector<Leaving> leaving_;  // of the burst at hand, by lcore
  Counter handed_over_;
  Counter dropped_;
};

}  // namespace soundgate
