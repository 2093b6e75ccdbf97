// Sends frames out of one DPDK port and takes them in at another one, through whatever forwards
// between: how many came, and how long they took.
// usage: load_forwarding SEND_DEVICE RECEIVE_DEVICE SECONDS FRAMES_A_SECOND
//   Devices as for --vdev. 0 frames a second: as many as go. Prints one line of JSON: sent,
//   refused (by a full port), received, p50_us, p99_us.
// UDP of 512 bytes: nothing that is inspected. One thread sends and receives, on CPU 0: what it
// measures are the forwarder's delays, and not those of a thread of its own that waits for a CPU.
#include <rte_cycles.h>
#include <rte_eal.h>
#include <rte_ethdev.h>
#include <rte_mbuf.h>

#include <algorithm>
#include <array>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <stdexcept>
#include <string>
#include <string_view>
#include <vector>

namespace {

constexpr uint16_t kFrameBytes = 512;
constexpr uint16_t kTimeAt = 64;  // behind Ethernet, IP and UDP headers
constexpr uint16_t kBurst = 32;
constexpr uint16_t kDescriptors = 1024;
constexpr unsigned kBuffers = 16 * 1024;
constexpr uint64_t kMark = 0x6E757365'64616F6C;  // which frames are ours
constexpr double kConnectSecondsMax = 10;
constexpr double kStragglerSeconds = 0.2;

struct Stamp {
  uint64_t sent;  // cycles
  uint64_t mark;
};

void check(int error, const std::string& what) {
  if (error < 0) throw std::runtime_error(what + ": " + rte_strerror(-error));
}

uint64_t cycles(double seconds) {
  return static_cast<uint64_t>(seconds * static_cast<double>(rte_get_tsc_hz()));
}

std::array<uint8_t, kFrameBytes> make_frame() {
  std::array<uint8_t, kFrameBytes> frame{};
  constexpr uint8_t kEthernet[] = {2, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0, 2, 8, 0};
  constexpr uint8_t kIpv4[] = {0x45,
                               0,
                               (kFrameBytes - 14) >> 8,
                               (kFrameBytes - 14) & 255,
                               0,
                               0,
                               0,
                               0,
                               64,
                               17,
                               0,
                               0,
                               10,
                               0,
                               0,
                               1,
                               10,
                               0,
                               0,
                               2};
  std::copy(std::begin(kEthernet), std::end(kEthernet), frame.begin());
  std::copy(std::begin(kIpv4), std::end(kIpv4), frame.begin() + 14);
  frame[37] = 9;  // to the discard port
  return frame;
}

class Port {
 public:
  Port(const std::string& device, rte_mempool* pool) {
    const std::string name = device.substr(0, device.find(','));
    check(rte_eth_dev_get_port_by_name(name.c_str(), &id_), device);
    const rte_eth_conf configuration{};
    check(rte_eth_dev_configure(id_, 1, 1, &configuration), name);
    check(rte_eth_rx_queue_setup(id_, 0, kDescriptors, 0, nullptr, pool), name);
    check(rte_eth_tx_queue_setup(id_, 0, kDescriptors, 0, nullptr), name);
    check(rte_eth_dev_start(id_), name);
    rte_eth_promiscuous_enable(id_);
    wait_for_link(name);
  }
  ~Port() {
    rte_eth_dev_stop(id_);
    rte_eth_dev_close(id_);
  }
  Port(const Port&) = delete;
  Port& operator=(const Port&) = delete;

  uint16_t send(rte_mbuf** packets, uint16_t count) const {
    return rte_eth_tx_burst(id_, 0, packets, count);
  }
  uint16_t receive(rte_mbuf** packets) const { return rte_eth_rx_burst(id_, 0, packets, kBurst); }

 private:
  void wait_for_link(const std::string& name) const {
    rte_eth_link link{};
    for (const uint64_t end = rte_rdtsc() + cycles(kConnectSecondsMax); rte_rdtsc() < end;) {
      rte_eth_link_get_nowait(id_, &link);
      if (link.link_status == RTE_ETH_LINK_UP) return;
    }
    throw std::runtime_error(name + ": nothing is connected to it");
  }

  uint16_t id_ = 0;
};

class Load {
 public:
  Load(const Port& out, const Port& in, rte_mempool* pool) : out_(out), in_(in), pool_(pool) {
    microseconds_.reserve(20'000'000);
  }

  void run(double seconds, double rate) {
    const uint64_t end = rte_rdtsc() + cycles(seconds);
    const uint64_t period = rate > 0 ? cycles(1 / rate) : 0;
    const uint16_t count = rate > 0 ? 1 : kBurst;
    for (uint64_t due = rte_rdtsc(), now = due; now < end; now = rte_rdtsc()) {
      if (now >= due) {
        send(count);
        due += period;
      }
      receive();
    }
    for (const uint64_t late = rte_rdtsc() + cycles(kStragglerSeconds); rte_rdtsc() < late;) {
      receive();
    }
  }

  void print() {
    std::printf(
        "{\"sent\": %lu, \"refused\": %lu, \"received\": %zu, \"p50_us\": %.1f, \"p99_us\": "
        "%.1f}\n",
        sent_, refused_, microseconds_.size(), percentile(0.5), percentile(0.99));
  }

 private:
  void send(uint16_t count) {
    std::array<rte_mbuf*, kBurst> packets;
    if (rte_pktmbuf_alloc_bulk(pool_, packets.data(), count) != 0) return;
    const Stamp stamp{rte_rdtsc(), kMark};
    for (uint16_t i = 0; i < count; ++i) {
      auto* bytes = reinterpret_cast<uint8_t*>(rte_pktmbuf_append(packets[i], kFrameBytes));
      std::memcpy(bytes, frame_.data(), kTimeAt);
      std::memcpy(bytes + kTimeAt, &stamp, sizeof stamp);
    }
    const uint16_t sent = out_.send(packets.data(), count);
    rte_pktmbuf_free_bulk(packets.data() + sent, count - sent);
    sent_ += sent;
    refused_ += count - sent;
  }

  void receive() {
    std::array<rte_mbuf*, kBurst> packets;
    const uint16_t count = in_.receive(packets.data());
    const uint64_t now = rte_rdtsc();
    for (uint16_t i = 0; i < count; ++i) {
      Stamp stamp{};
      if (packets[i]->data_len == kFrameBytes) {
        std::memcpy(&stamp, rte_pktmbuf_mtod(packets[i], uint8_t*) + kTimeAt, sizeof stamp);
      }
      if (stamp.mark == kMark) microseconds_.push_back(to_microseconds(now - stamp.sent));
    }
    rte_pktmbuf_free_bulk(packets.data(), count);
  }

  static float to_microseconds(uint64_t cycles) {
    return static_cast<float>(cycles) * 1e6f / static_cast<float>(rte_get_tsc_hz());
  }

  double percentile(double share) {
    if (microseconds_.empty()) return 0;
    const auto last = static_cast<double>(microseconds_.size() - 1);
    const auto place = microseconds_.begin() + static_cast<std::ptrdiff_t>(share * last);
    std::nth_element(microseconds_.begin(), place, microseconds_.end());
    return *place;
  }

  const Port& out_;
  const Port& in_;
  rte_mempool* pool_;
  const std::array<uint8_t, kFrameBytes> frame_ = make_frame();
  uint64_t sent_ = 0;
  uint64_t refused_ = 0;
  std::vector<float> microseconds_;
};

void start_eal(const char* program, const char* send_device, const char* receive_device) {
  std::vector<std::string> arguments = {program,       "--no-huge",    "-m",
                                        "256",         "--no-pci",     "--no-telemetry",
                                        "--no-shconf", "--lcores=0@0", "--log-level=error",
                                        "--vdev",      send_device,    "--vdev",
                                        receive_device};
  std::vector<char*> words;
  for (std::string& argument : arguments) words.push_back(argument.data());
  check(rte_eal_init(static_cast<int>(words.size()), words.data()), "EAL");
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 5) return 2;
  try {
    start_eal(argv[0], argv[1], argv[2]);
    rte_mempool* pool =
        rte_pktmbuf_pool_create("load", kBuffers, 256, 0, RTE_MBUF_DEFAULT_BUF_SIZE, 0);
    if (pool == nullptr) throw std::runtime_error("no memory for packets");
    const Port out(argv[1], pool);
    const Port in(argv[2], pool);
    Load load(out, in, pool);
    load.run(std::atof(argv[3]), std::atof(argv[4]));
    load.print();
  } catch (const std::exception& error) {
    std::fprintf(stderr, "load_forwarding: %s\n", error.what());
    return 1;
  }
}
