// One DPDK port with one queue each way, and its packet buffers.
// Thread: open() by the starting thread, the rest by the owning lcore; the counters by anyone.
#pragma once

#include <array>
#include <cstdint>
#include <span>
#include <string>
#include <tl/expected.hpp>

#include "dataplane/counters.h"
#include "dataplane/limits.h"

struct rte_mbuf;
struct rte_mempool;

namespace soundgate {

struct PortCounters {
  Counter received_packets;
  Counter received_bytes;
  Counter sent_packets;
  Counter sent_bytes;
  Counter dropped_packets;
};

class EthdevPort {
 public:
  EthdevPort() = default;
  EthdevPort(const EthdevPort&) = delete;
  EthdevPort& operator=(const EthdevPort&) = delete;
  ~EthdevPort() { close(); }

  // device: one that the EAL was started with. pool: where received packets go.
  tl::expected<void, std::string> open(const std::string& device, rte_mempool* pool);
  void close();

  // Returns how many packets of the burst are filled in; the caller owns them.
  uint16_t receive(std::span<rte_mbuf*> burst);

  // Takes the packet over. It goes out with flush() at the latest, in the order of the calls.
  void queue(rte_mbuf* packet);
  // Tries a bounded number of times; what still does not go is dropped and counted.
  void flush();

  void count_dropped() { counters_.dropped_packets.add(); }
  const PortCounters& counters() const { return counters_; }

 private:
  uint16_t id_ = 0;
  bool open_ = false;
  uint16_t queued_count_ = 0;
  std::array<rte_mbuf*, kBurstFrames> queued_{};
  PortCounters counters_;
};

}  // namespace soundgate
