#include "dataplane/port/ethdev_port.h"

#include <rte_errno.h>
#include <rte_ethdev.h>
#include <rte_mbuf.h>

#include "dataplane/port/eal.h"

namespace soundgate {
namespace {

constexpr uint16_t kDescriptors = 1024;

tl::unexpected<std::string> failure(const std::string& port, const std::string& what, int error) {
  return tl::unexpected("port " + port + ": " + what + ": " +
                        rte_strerror(error < 0 ? -error : error));
}

}  // namespace

tl::expected<void, std::string> EthdevPort::open(const std::string& device, rte_mempool* pool) {
  if (rte_eth_dev_get_port_by_name(device_name(device).c_str(), &id_) != 0) {
    return tl::unexpected("port " + device + ": DPDK found no such device or interface");
  }
  const int socket = rte_eth_dev_socket_id(id_);
  const auto memory_socket = static_cast<unsigned>(socket < 0 ? 0 : socket);
  const rte_eth_conf configuration{};
  uint16_t receive_descriptors = kDescriptors;
  uint16_t send_descriptors = kDescriptors;
  int error = rte_eth_dev_configure(id_, 1, 1, &configuration);
  if (error != 0) return failure(device, "not configured", error);
  error = rte_eth_dev_adjust_nb_rx_tx_desc(id_, &receive_descriptors, &send_descriptors);
  if (error != 0) return failure(device, "no queue sizes", error);
  error = rte_eth_rx_queue_setup(id_, 0, receive_descriptors, memory_socket, nullptr, pool);
  if (error != 0) return failure(device, "no receive queue", error);
  error = rte_eth_tx_queue_setup(id_, 0, send_descriptors, memory_socket, nullptr);
  if (error != 0) return failure(device, "no send queue", error);
  error = rte_eth_dev_start(id_);
  if (error != 0) return failure(device, "not started", error);
  open_ = true;
  error = rte_eth_promiscuous_enable(id_);
  if (error != 0 && error != -ENOTSUP) return failure(device, "not promiscuous", error);
  return {};
}

void EthdevPort::close() {
  if (!open_) return;
  open_ = false;
  rte_eth_dev_stop(id_);
  rte_eth_dev_close(id_);
}

uint16_t EthdevPort::receive(std::span<rte_mbuf*> burst) {
  const uint16_t count =
      rte_eth_rx_burst(id_, 0, burst.data(), static_cast<uint16_t>(burst.size()));
  if (count == 0) return 0;
  uint64_t bytes = 0;
  for (const rte_mbuf* packet : burst.first(count)) bytes += packet->pkt_len;
  counters_.received_packets.add(count);
  counters_.received_bytes.add(bytes);
  return count;
}

void EthdevPort::queue(rte_mbuf* packet) {
  if (queued_count_ == queued_.size()) flush();
  queued_[queued_count_++] = packet;
}

void EthdevPort::flush() {
  if (queued_count_ == 0) return;
  uint16_t sent = 0;
  uint64_t bytes = 0;
  for (uint16_t i = 0; i < queued_count_; ++i) bytes += queued_[i]->pkt_len;
  for (size_t attempt = 0; attempt < kSendAttemptsMax && sent < queued_count_; ++attempt) {
    const auto left = static_cast<uint16_t>(queued_count_ - sent);
    sent = static_cast<uint16_t>(sent + rte_eth_tx_burst(id_, 0, queued_.data() + sent, left));
  }
  for (uint16_t i = sent; i < queued_count_; ++i) {
    bytes -= queued_[i]->pkt_len;
    rte_pktmbuf_free(queued_[i]);
  }
  counters_.sent_packets.add(sent);
  counters_.sent_bytes.add(bytes);
  counters_.dropped_packets.add(static_cast<uint64_t>(queued_count_ - sent));
  queued_count_ = 0;
}

}  // namespace soundgate
