#include "dataplane/port/steering.h"

#include <rte_mbuf.h>
#include <rte_prefetch.h>

namespace soundgate {
namespace {

Bytes first_piece(const rte_mbuf* packet) {
  return {rte_pktmbuf_mtod(packet, const std::byte*), packet->data_len};
}

}  // namespace

size_t Steering::keep_own(Side from, std::span<rte_mbuf*> burst) {
  const auto lcore_count = static_cast<unsigned>(inboxes_.size());
  for (const rte_mbuf* packet : burst) rte_prefetch0(rte_pktmbuf_mtod(packet, const void*));
  size_t kept = 0;
  for (rte_mbuf* packet : burst) {
    const unsigned lcore = lcore_of(symmetric_hash(first_piece(packet), share_by_), lcore_count);
    if (lcore == lcore_index_) {
      burst[kept++] = packet;
    } else {
      Leaving& leaving = leaving_[lcore];
      leaving.packets[leaving.count++] = packet;
    }
  }
  for (unsigned lcore = 0; lcore < lcore_count; ++lcore) {
    Leaving& leaving = leaving_[lcore];
    if (leaving.count == 0) continue;
    hand_over(from, lcore, std::span(leaving.packets).first(leaving.count));
    leaving.count = 0;
  }
  return kept;
}

void Steering::hand_over(Side from, unsigned lcore, std::span<rte_mbuf*> packets) {
  const size_t taken = inboxes_[lcore][static_cast<size_t>(from)].put(lcore_index_, packets);
  handed_over_.add(taken);
  dropped_.add(packets.size() - taken);
  for (rte_mbuf* packet : packets.subspan(taken)) rte_pktmbuf_free(packet);
}

}  // namespace soundgate
