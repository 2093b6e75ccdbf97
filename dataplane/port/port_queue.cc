#include "dataplane/port/port_queue.h"

#include <rte_ethdev.h>
#include <rte_mbuf.h>

namespace soundgate {

uint16_t PortQueue::receive(std::span<rte_mbuf*> burst) {
  if (!queue_pair_) return 0;
  const uint16_t count =
      rte_eth_rx_burst(port_, *queue_pair_, burst.data(), static_cast<uint16_t>(burst.size()));
  if (count == 0) return 0;
  uint64_t bytes = 0;
  for (const rte_mbuf* packet : burst.first(count)) bytes += packet->pkt_len;
  counters_.received_packets.add(count);
  counters_.received_bytes.add(bytes);
  if (is_captured()) capture_->on_received(burst.first(count));
  return count;
}

void PortQueue::queue(rte_mbuf* packet) {
  if (queued_count_ == queued_.size()) flush();
  queued_[queued_count_++] = packet;
}

void PortQueue::flush() {
  if (queued_count_ == 0) return;
  send_or_drop(std::span(queued_).first(queued_count_));
  queued_count_ = 0;
}

bool PortQueue::send_for_others() {
  if (!queue_pair_ || outbox_ == nullptr) return false;
  std::array<rte_mbuf*, kBurstFrames> burst;
  const size_t count = outbox_->take(burst);
  if (count > 0) send_or_drop(std::span(burst).first(count));
  return count > 0;
}

size_t PortQueue::send(std::span<rte_mbuf*> packets) {
  if (!queue_pair_) return outbox_->put(lcore_index_, packets);
  if (!is_captured()) return transmit(packets);
  const CapturePoint::Copies copies = capture_->copy_for_sending(packets);
  const size_t sent = transmit(packets);
  capture_->keep(copies, sent);
  return sent;
}

size_t PortQueue::transmit(std::span<rte_mbuf*> packets) {
  size_t sent = 0;
  for (size_t attempt = 0; attempt < kSendAttemptsMax && sent < packets.size(); ++attempt) {
    sent += rte_eth_tx_burst(port_, *queue_pair_, packets.data() + sent,
                             static_cast<uint16_t>(packets.size() - sent));
  }
  return sent;
}

// What an lcore without a queue hands over is counted as sent by the one that has it.
void PortQueue::send_or_drop(std::span<rte_mbuf*> packets) {
  uint64_t bytes = 0;
  for (const rte_mbuf* packet : packets) bytes += packet->pkt_len;
  const size_t sent = send(packets);
  for (rte_mbuf* packet : packets.subspan(sent)) {
    bytes -= packet->pkt_len;
    rte_pktmbuf_free(packet);
  }
  counters_.dropped_packets.add(packets.size() - sent);
  if (!queue_pair_) return;
  counters_.sent_packets.add(sent);
  counters_.sent_bytes.add(bytes);
}

}  // namespace soundgate
