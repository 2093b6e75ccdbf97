#include "dataplane/port/handover.h"

#include <rte_errno.h>
#include <rte_mbuf.h>
#include <rte_ring.h>

namespace soundgate {

Handover::~Handover() {
  rte_mbuf* packet = nullptr;
  while (take({&packet, 1}) > 0) rte_pktmbuf_free(packet);
  for (rte_ring* ring : rings_) rte_ring_free(ring);
}

tl::expected<void, std::string> Handover::open(const std::string& name, unsigned lcore_count,
                                               unsigned packets_max) {
  for (unsigned lcore = 0; lcore < lcore_count; ++lcore) {
    rte_ring* ring = rte_ring_create((name + "-" + std::to_string(lcore)).c_str(), packets_max,
                                     SOCKET_ID_ANY, RING_F_SP_ENQ | RING_F_SC_DEQ);
    if (ring == nullptr) {
      return tl::unexpected("no memory for a ring between lcores (" +
                            std::string(rte_strerror(rte_errno)) + "): give the EAL more with -m");
    }
    rings_.push_back(ring);
  }
  return {};
}

size_t Handover::put(unsigned lcore_index, std::span<rte_mbuf* const> packets) {
  return rte_ring_sp_enqueue_burst(rings_[lcore_index],
                                   reinterpret_cast<void* const*>(packets.data()),
                                   static_cast<unsigned>(packets.size()), nullptr);
}

size_t Handover::take(std::span<rte_mbuf*> packets) {
  if (rings_.empty()) return 0;
  turn_ = (turn_ + 1) % rings_.size();
  size_t taken = 0;
  for (size_t i = 0; i < rings_.size() && taken < packets.size(); ++i) {
    const std::span<rte_mbuf*> room = packets.subspan(taken);
    taken += rte_ring_sc_dequeue_burst(rings_[(turn_ + i) % rings_.size()],
                                       reinterpret_cast<void**>(room.data()),
                                       static_cast<unsigned>(room.size()), nullptr);
  }
  return taken;
}

}  // namespace soundgate
