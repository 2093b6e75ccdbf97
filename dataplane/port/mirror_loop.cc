#include "dataplane/port/mirror_loop.h"

#include <rte_mbuf.h>
#include <rte_mbuf_dyn.h>

#include <algorithm>
#include <array>
#include <chrono>

namespace soundgate {

MirrorLoop::MirrorLoop(PortQueue& port, Steering* steering, Clock clock, int cpu)
    : LcoreThread(cpu),
      port_(port),
      steering_(steering),
      clock_(clock),
      joined_(kMirroredBytesMax) {
  if (clock == Clock::kOfPackets) rte_mbuf_dyn_rx_timestamp_register(&timestamp_offset_, nullptr);
}

bool MirrorLoop::turn(const Now& now) {
  std::array<rte_mbuf*, kBurstFrames> burst;
  if (clock_ == Clock::kOurs) engine_->set_now(now);
  const size_t count = port_.receive(burst);
  if (clock_ == Clock::kOfPackets && count == 0) {  // a file has always more, or none
    stop_by_itself();
    return true;
  }
  size_t others = 0;
  if (steering_ == nullptr) {
    handle_all(std::span(burst).first(count));
  } else {
    handle_all(
        std::span(burst).first(steering_->keep_own(Side::kClient, std::span(burst).first(count))));
    others = steering_->take(Side::kClient, burst);
    handle_all(std::span(burst).first(others));
  }
  const bool decided = engine_->poll();
  return count > 0 || others > 0 || decided;
}

void MirrorLoop::finish(const Now& now) {
  if (clock_ == Clock::kOurs) {
    engine_->set_now(now);
    engine_->shut_down();
  } else {
    engine_->shut_down(DataplaneReason::capture_gap);  // the capture ended before the upload did
  }
}

void MirrorLoop::handle_all(std::span<rte_mbuf*> burst) {
  for (rte_mbuf* packet : burst) {
    if (clock_ == Clock::kOfPackets) follow_time_of(*packet);
    handle(*packet);
    rte_pktmbuf_free(packet);
  }
}

// Frames may be as long as the sender's card takes them, when they were captured before it.
void MirrorLoop::handle(const rte_mbuf& packet) {
  if (packet.nb_segs == 1) {
    engine_->on_mirrored_frame({rte_pktmbuf_mtod(&packet, std::byte*), packet.data_len});
    return;
  }
  if (packet.pkt_len > joined_.size()) {
    port_.count_dropped();
    return;
  }
  size_t at = 0;
  for (const rte_mbuf* piece = &packet; piece != nullptr; piece = piece->next) {
    std::copy_n(rte_pktmbuf_mtod(piece, const std::byte*), piece->data_len, joined_.data() + at);
    at += piece->data_len;
  }
  engine_->on_mirrored_frame(std::span(joined_).first(at));
}

// In microseconds, as net_pcap gives it. The time of captures of several interfaces may go back
// a little; the engine's never does.
void MirrorLoop::follow_time_of(const rte_mbuf& packet) {
  if (timestamp_offset_ < 0) return;
  const std::chrono::microseconds time(
      *RTE_MBUF_DYNFIELD(&packet, timestamp_offset_, const rte_mbuf_timestamp_t*));
  captured_.tick = std::max<Tick>(captured_.tick, time);
  captured_.wall = WallTime(std::chrono::duration_cast<WallTime::duration>(captured_.tick));
  engine_->set_now(captured_);
}

}  // namespace soundgate
