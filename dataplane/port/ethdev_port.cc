#include "dataplane/port/ethdev_port.h"

#include <rte_errno.h>
#include <rte_ethdev.h>

#include <algorithm>
#include <array>
#include <string_view>

#include "dataplane/limits.h"
#include "dataplane/port/eal.h"

namespace soundgate {
namespace {

constexpr uint16_t kDescriptors = 1024;

// What a card has to hash by, and what it is asked for beside that, where it can.
struct Hashes {
  uint64_t needed;
  uint64_t wanted;
};
constexpr uint64_t kAddresses =
    RTE_ETH_RSS_IPV4 | RTE_ETH_RSS_FRAG_IPV4 | RTE_ETH_RSS_IPV6 | RTE_ETH_RSS_FRAG_IPV6;
constexpr Hashes kByAddresses{RTE_ETH_RSS_IPV4 | RTE_ETH_RSS_IPV6, kAddresses};
constexpr Hashes kByConnection{RTE_ETH_RSS_NONFRAG_IPV4_TCP | RTE_ETH_RSS_NONFRAG_IPV6_TCP,
                               kAddresses | RTE_ETH_RSS_NONFRAG_IPV4_TCP |
                                   RTE_ETH_RSS_NONFRAG_IPV6_TCP | RTE_ETH_RSS_NONFRAG_IPV4_UDP |
                                   RTE_ETH_RSS_NONFRAG_IPV6_UDP | RTE_ETH_RSS_IPV6_TCP_EX};

const Hashes& hashes_of(ShareBy share_by) {
  return share_by == ShareBy::kAddresses ? kByAddresses : kByConnection;
}

tl::unexpected<std::string> failure(const std::string& port, const std::string& what, int error) {
  return tl::unexpected("port " + port + ": " + what + ": " +
                        rte_strerror(error < 0 ? -error : error));
}

// net_tap says that it can, and leaves it to the kernel, which moves connections about.
bool can_hash(const rte_eth_dev_info& info, const Hashes& hashes) {
  return (info.flow_type_rss_offloads & hashes.needed) == hashes.needed &&
         std::string_view(info.driver_name) != "net_tap" &&
         info.hash_key_size <= kSymmetricKey.size();
}

// The device must not move its key away from where it can be read only.
struct HashSetting {
  HashSetting(const rte_eth_dev_info& info, const Hashes& hashes) : key(kSymmetricKey) {
    configuration.rxmode.mq_mode = RTE_ETH_MQ_RX_RSS;
    configuration.rx_adv_conf.rss_conf.rss_key = key.data();
    configuration.rx_adv_conf.rss_conf.rss_key_len = info.hash_key_size;
    configuration.rx_adv_conf.rss_conf.rss_hf = hashes.wanted & info.flow_type_rss_offloads;
  }
  std::array<uint8_t, kSymmetricKeyBytesMax> key;
  rte_eth_conf configuration{};
};

// Where the table cannot be set it is as the driver made it: the lcores share out what came wrong.
void set_redirection(uint16_t port, const rte_eth_dev_info& info, unsigned queue_pairs) {
  std::array<rte_eth_rss_reta_entry64, RTE_ETH_RSS_RETA_SIZE_512 / RTE_ETH_RETA_GROUP_SIZE> table{};
  if (info.reta_size == 0 || info.reta_size > RTE_ETH_RSS_RETA_SIZE_512) return;
  for (size_t i = 0; i < info.reta_size; ++i) {
    rte_eth_rss_reta_entry64& group = table[i / RTE_ETH_RETA_GROUP_SIZE];
    group.mask = UINT64_MAX;
    group.reta[i % RTE_ETH_RETA_GROUP_SIZE] =
        static_cast<uint16_t>(lcore_of(static_cast<uint32_t>(i), queue_pairs));
  }
  rte_eth_dev_rss_reta_update(port, table.data(), info.reta_size);
}

}  // namespace

tl::expected<void, std::string> EthdevPort::open(const std::string& device, rte_mempool* pool,
                                                 unsigned lcore_count, ShareBy share_by) {
  if (rte_eth_dev_get_port_by_name(device_name(device).c_str(), &id_) != 0) {
    return tl::unexpected("port " + device + ": DPDK found no such device or interface");
  }
  rte_eth_dev_info info{};
  int error = rte_eth_dev_info_get(id_, &info);
  if (error != 0) return failure(device, "says nothing of itself", error);
  const bool shares_out = lcore_count > 1 && can_hash(info, hashes_of(share_by));
  queue_pairs_ = shares_out ? lcore_count : 1;
  const unsigned most = std::min(info.max_rx_queues, info.max_tx_queues);
  if (queue_pairs_ > most) {
    return tl::unexpected("port " + device + ": it has " + std::to_string(most) +
                          " queue pairs, and dataplane.queue_pairs asks for " +
                          std::to_string(lcore_count));
  }
  const int socket = rte_eth_dev_socket_id(id_);
  const auto memory_socket = static_cast<unsigned>(socket < 0 ? 0 : socket);
  HashSetting hashing(info, hashes_of(share_by));
  const rte_eth_conf plain{};
  const auto pairs = static_cast<uint16_t>(queue_pairs_);
  uint16_t receive_descriptors = kDescriptors;
  uint16_t send_descriptors = kDescriptors;
  error = rte_eth_dev_configure(id_, pairs, pairs, shares_out ? &hashing.configuration : &plain);
  if (error != 0) return failure(device, "not configured", error);
  error = rte_eth_dev_adjust_nb_rx_tx_desc(id_, &receive_descriptors, &send_descriptors);
  if (error != 0) return failure(device, "no queue sizes", error);
  for (uint16_t pair = 0; pair < pairs; ++pair) {
    error = rte_eth_rx_queue_setup(id_, pair, receive_descriptors, memory_socket, nullptr, pool);
    if (error != 0) return failure(device, "no receive queue", error);
    error = rte_eth_tx_queue_setup(id_, pair, send_descriptors, memory_socket, nullptr);
    if (error != 0) return failure(device, "no send queue", error);
  }
  error = rte_eth_dev_start(id_);
  if (error != 0) return failure(device, "not started", error);
  open_ = true;
  if (shares_out) set_redirection(id_, info, queue_pairs_);
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

}  // namespace soundgate
