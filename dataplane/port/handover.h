// A way over which lcores hand packets to one lcore: a bounded ring from each of them, so that none
// of them, preempted while it puts something in, keeps another waiting, or takes its room.
// Errors: what finds no room is not taken; the caller drops and counts it.
// Thread: put() by each lcore with its own index, take() by the one that it leads to.
// Memory: allocated by open(), 8 bytes a packet for each that puts; packets that are left are freed
// with it.
#pragma once

#include <cstddef>
#include <span>
#include <string>
#include <tl/expected.hpp>
#include <vector>

#include "dataplane/limits.h"

struct rte_mbuf;
struct rte_ring;

namespace soundgate {

class Handover {
 public:
  Handover() = default;
  Handover(const Handover&) = delete;
  Handover& operator=(const Handover&) = delete;
  ~Handover();

  // name: unlike that of any other of the process. lcore_count: that put packets in.
  // packets_max: of each, one more than may wait; a power of two.
  tl::expected<void, std::string> open(const std::string& name, unsigned lcore_count,
                                       unsigned packets_max = kHandoverPacketsMax);

  // How many were taken, from the first on.
  size_t put(unsigned lcore_index, std::span<rte_mbuf* const> packets);
  // How many there were. Those of one lcore come in order.
  size_t take(std::span<rte_mbuf*> packets);

 private:
  std::vector<rte_ring*> rings_;  // by lcore
  size_t turn_ = 0;               // whose ring was last looked at first
};

}  // namespace soundgate
