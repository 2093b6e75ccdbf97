#include "dataplane/port/handover.h"

#include <rte_errno.h>
#include <rte_mbuf.h>
#include <rte_ring.h>

#include "dataplane/limits.h"

namespace soundgate {

Handover::~Handover() {
  if (ring_ == nullptr) return;
  rte_mbuf* packet = nullptr;
  while (take({&packet, 1}) > 0) rte_pktmbuf_free(packet);
  rte_ring_free(ring_);
}

tl::expected<void, std::string> Handover::open(const std::string& name) {
  ring_ = rte_ring_create(name.c_str(), kHandoverPacketsMax, SOCKET_ID_ANY, RING_F_SC_DEQ);
  if (ring_ != nullptr) return {};
  return tl::unexpected("no memory for a ring between lcores (" +
                        std::string(rte_strerror(rte_errno)) + "): give the EAL more with -m");
}

size_t Handover::put(std::span<rte_mbuf* const> packets) {
  return rte_ring_enqueue_burst(ring_, reinterpret_cast<void* const*>(packets.data()),
                                static_cast<unsigned>(packets.size()), nullptr);
}

size_t Handover::take(std::span<rte_mbuf*> packets) {
  return rte_ring_dequeue_burst(ring_, reinterpret_cast<void**>(packets.data()),
                                static_cast<unsigned>(packets.size()), nullptr);
}

}  // namespace soundgate
