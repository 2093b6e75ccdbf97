// One DPDK port, with as many queue pairs as it can make use of: where it has several, it shares
// connections out among them by symmetric_hash.
// Thread: the starting one. The lcores use the queues (PortQueue).
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <tl/expected.hpp>

#include "dataplane/flow/symmetric_hash.h"

struct rte_mempool;

namespace soundgate {

class EthdevPort {
 public:
  EthdevPort() = default;
  EthdevPort(const EthdevPort&) = delete;
  EthdevPort& operator=(const EthdevPort&) = delete;
  ~EthdevPort() { close(); }

  // device: one that the EAL was started with. pool: where received packets go. lcore_count: for
  // how many lcores; a device that cannot hash gets one queue pair all the same, and the lcores
  // share out by themselves. A device that can, and has fewer pairs than that, is refused.
  tl::expected<void, std::string> open(const std::string& device, rte_mempool* pool,
                                       unsigned lcore_count, ShareBy share_by);
  void close();

  uint16_t id() const { return id_; }
  unsigned queue_pairs() const { return queue_pairs_; }
  // The pair of an lcore, where it has one.
  std::optional<uint16_t> pair_of(unsigned lcore_index) const {
    if (lcore_index >= queue_pairs_) return {};
    return static_cast<uint16_t>(lcore_index);
  }

 private:
  uint16_t id_ = 0;
  bool open_ = false;
  unsigned queue_pairs_ = 0;
};

}  // namespace soundgate
