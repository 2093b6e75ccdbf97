// One lcore's way in and out of a port: a queue pair of its own, or, where the device has fewer
// than there are lcores, a ring to the lcore that sends for it.
// Thread: the owning lcore; the counters by anyone.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <span>

#include "dataplane/counters.h"
#include "dataplane/limits.h"
#include "dataplane/port/frame_capture.h"
#include "dataplane/port/handover.h"

struct rte_mbuf;

namespace soundgate {

struct PortCounters {
  Counter received_packets;
  Counter received_bytes;
  Counter sent_packets;
  Counter sent_bytes;
  Counter dropped_packets;
};

class PortQueue {
 public:
  // queue_pair: of the device; none: nothing is received here. outbox: what is to be sent with the
  // device's queue by the lcore that owns it, for those that have none; null where all have.
  // capture: for operators who look at what passes; null where none can.
  PortQueue(uint16_t port, std::optional<uint16_t> queue_pair, Handover* outbox,
            unsigned lcore_index, CapturePoint* capture)
      : port_(port),
        queue_pair_(queue_pair),
        outbox_(outbox),
        lcore_index_(lcore_index),
        capture_(capture) {}
  PortQueue(const PortQueue&) = delete;
  PortQueue& operator=(const PortQueue&) = delete;

  // Returns how many packets of the burst are filled in; the caller owns them.
  uint16_t receive(std::span<rte_mbuf*> burst);

  // Takes the packet over. It goes out with flush() at the latest, in the order of the calls.
  void queue(rte_mbuf* packet);
  // Tries a bounded number of times; what still does not go is dropped and counted.
  void flush();
  // Of the lcore that has the queue: sends a burst of the others'. Whether there was any.
  bool send_for_others();

  void count_dropped() { counters_.dropped_packets.add(); }
  const PortCounters& counters() const { return counters_; }

 private:
  bool is_captured() const { return capture_ != nullptr && capture_->is_on(); }
  size_t send(std::span<rte_mbuf*> packets);
  size_t transmit(std::span<rte_mbuf*> packets);
  void send_or_drop(std::span<rte_mbuf*> packets);

  const uint16_t port_;
  const std::optional<uint16_t> queue_pair_;
  Handover* const outbox_;
  const unsigned lcore_index_;
  CapturePoint* const capture_;
  uint16_t queued_count_ = 0;
  std::array<rte_mbuf*, kBurstFrames> queued_{};
  PortCounters counters_;
};

}  // namespace soundgate
