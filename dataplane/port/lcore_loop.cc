#include "dataplane/port/lcore_loop.h"

#include <rte_mbuf.h>
#include <rte_prefetch.h>

#include <array>
#include <cstring>
#include <new>

namespace soundgate {

bool LcoreLoop::turn(const Now& now) {
  engine_->set_now(now);
  const bool from_client = receive(Side::kClient);
  const bool from_origin = receive(Side::kOrigin);
  const bool decided = engine_->poll();
  flush();
  const bool sent_to_client = port(Side::kClient).send_for_others();
  const bool sent_to_origin = port(Side::kOrigin).send_for_others();
  return from_client || from_origin || decided || sent_to_client || sent_to_origin;
}

void LcoreLoop::finish(const Now& now) {
  engine_->set_now(now);
  engine_->shut_down();
  flush();
}

void LcoreLoop::flush() {
  port(Side::kClient).flush();
  port(Side::kOrigin).flush();
}

bool LcoreLoop::receive(Side from) {
  std::array<rte_mbuf*, kBurstFrames> burst;
  size_t count = port(from).receive(burst);
  if (steering_ == nullptr) {
    handle_all(from, std::span(burst).first(count));
    return count > 0;
  }
  const size_t own = steering_->keep_own(from, std::span(burst).first(count));
  handle_all(from, std::span(burst).first(own));
  const size_t others = steering_->take(from, burst);
  handle_all(from, std::span(burst).first(others));
  return count > 0 || others > 0;
}

void LcoreLoop::handle_all(Side from, std::span<rte_mbuf*> burst) {
  if (burst.empty()) return;
  for (const rte_mbuf* packet : burst) rte_prefetch0(rte_pktmbuf_mtod(packet, void*));
  burst = burst.first(join_pieces(from, burst));
  for (size_t i = 0; i < burst.size(); ++i) {
    const MutableBytes bytes{rte_pktmbuf_mtod(burst[i], std::byte*), burst[i]->data_len};
    // In place: a copy would wait for each of the stores that have just been made.
    new (&frames_[i]) Frame(engine_->look(from, bytes));
  }
  for (size_t i = 0; i < burst.size(); ++i) engine_->fetch(frames_[i]);
  for (size_t i = 0; i < burst.size(); ++i) {
    current_ = burst[i];
    engine_->on_frame(from, frames_[i]);
    if (current_ != nullptr) rte_pktmbuf_free(current_);
    current_ = nullptr;
  }
}

// Packets that are in one piece move to the front. Returns how many; the others were longer than
// kFrameBytesMax.
size_t LcoreLoop::join_pieces(Side from, std::span<rte_mbuf*> burst) {
  size_t kept = 0;
  for (rte_mbuf* packet : burst) {
    if (packet->nb_segs == 1 || rte_pktmbuf_linearize(packet) == 0) {
      burst[kept++] = packet;
      continue;
    }
    port(from).count_dropped();
    rte_pktmbuf_free(packet);
  }
  return kept;
}

void LcoreLoop::forward(Side to, size_t frame_bytes) {
  rte_mbuf* packet = current_;
  current_ = nullptr;
  const size_t surplus = packet->data_len - frame_bytes;
  if (surplus > 0) rte_pktmbuf_trim(packet, static_cast<uint16_t>(surplus));
  port(to).queue(packet);
}

void LcoreLoop::send(Side to, std::span<const std::byte> frame) {
  rte_mbuf* packet = rte_pktmbuf_alloc(pool_);
  void* room = packet ? rte_pktmbuf_append(packet, static_cast<uint16_t>(frame.size())) : nullptr;
  if (room == nullptr) {
    rte_pktmbuf_free(packet);
    port(to).count_dropped();
    return;
  }
  std::memcpy(room, frame.data(), frame.size());
  port(to).queue(packet);
}

}  // namespace soundgate
