// Dataplane::create: the engine on two DPDK ports, with a thread of its own.
#include <rte_errno.h>
#include <rte_mbuf.h>

#include <random>

#include "dataplane/dataplane.h"
#include "dataplane/engine.h"
#include "dataplane/port/eal.h"
#include "dataplane/port/ethdev_port.h"
#include "dataplane/port/lcore_loop.h"

namespace soundgate {
namespace {

constexpr unsigned kPackets = 16'383;  // for both ports' rings, and what is on its way
constexpr unsigned kPacketCache = 256;

HashSeed random_seed() {
  std::random_device device;
  const auto word = [&] { return uint64_t{device()} << 32 | device(); };
  return {word(), word()};
}

DataplaneCounters::Port port_counters(const PortCounters& counters) {
  return {counters.received_packets.get(), counters.received_bytes.get(),
          counters.sent_packets.get(), counters.sent_bytes.get(), counters.dropped_packets.get()};
}

class DpdkDataplane final : public Dataplane {
 public:
  DpdkDataplane(const DataplaneConfig& config, std::unique_ptr<UploadSink> sink)
      : config_(config), sink_(std::move(sink)) {}
  ~DpdkDataplane() override {
    DpdkDataplane::stop();
    loop_.reset();
    client_.close();
    origin_.close();
    rte_mempool_free(pool_);
  }

  tl::expected<void, std::string> open() {
    pool_ = rte_pktmbuf_pool_create("soundgate", kPackets, kPacketCache, 0,
                                    kFrameBytesMax + RTE_PKTMBUF_HEADROOM, SOCKET_ID_ANY);
    if (pool_ == nullptr) {
      return tl::unexpected("no memory for packets (" + std::string(rte_strerror(rte_errno)) +
                            "): give the EAL more with -m");
    }
    if (auto opened = client_.open(config_.client_port, pool_); !opened) return opened;
    if (auto opened = origin_.open(config_.origin_port, pool_); !opened) return opened;
    loop_ = std::make_unique<LcoreLoop>(client_, origin_, pool_, config_.lcore);
    shared_ = std::make_unique<SharedResources>(random_seed());
    engine_ = std::make_unique<Engine>(config_, random_seed(), 0, *loop_, *sink_, CoreSizes{},
                                       shared_.get());
    return {};
  }

  void start() override { loop_->start(*engine_); }
  void stop() override {
    if (loop_) loop_->stop();
  }
  void set_mode(Mode mode) override { engine_->set_mode(mode); }
  bool lift_refusal(UploadKey upload) override { return shared_->lift(upload); }
  DataplaneCounters counters() const override;

 private:
  const DataplaneConfig config_;
  std::unique_ptr<UploadSink> sink_;
  rte_mempool* pool_ = nullptr;
  EthdevPort client_;
  EthdevPort origin_;
  std::unique_ptr<LcoreLoop> loop_;
  std::unique_ptr<SharedResources> shared_;  // by the engines of all lcores
  std::unique_ptr<Engine> engine_;
};

DataplaneCounters DpdkDataplane::counters() const {
  const CoreCounters& core = engine_->counters();
  DataplaneCounters counters{};
  counters.client = port_counters(client_.counters());
  counters.origin = port_counters(origin_.counters());
  counters.flows_open = core.flows_open.get();
  counters.flows_opened = core.flows_opened.get();
  counters.flows_midstream_open = core.flows_midstream.get();
  counters.uploads_begun = core.uploads_begun.get();
  counters.uploads_released = core.uploads_released.get();
  counters.uploads_blocked = core.uploads_blocked.get();
  counters.uploads_aborted = core.uploads_aborted.get();
  counters.packets_held = core.segments_held.get();
  counters.bytes_held = core.bytes_held.get();
  for (const Counter& reason : core.reasons) counters.reasons.push_back(reason.get());
  counters.oldest_midstream_seconds = static_cast<double>(core.oldest_midstream_ms.get()) / 1000.0;
  counters.bad_checksums = core.bad_checksums.get();
  counters.conflicting_bytes = core.conflicting_bytes.get();
  counters.parts_refused = core.parts_refused.get();
  counters.resources_open = core.resources_open.get();
  counters.segments_refused = core.segments_refused.get();
  return counters;
}

}  // namespace

tl::expected<std::unique_ptr<Dataplane>, std::string> Dataplane::create(
    const DataplaneConfig& config, const MakeSink& make_sink) {
  static bool eal_started = false;  // once a process: DPDK cannot start twice
  if (!eal_started) {
    auto started = start_eal(config.eal_arguments, {config.client_port, config.origin_port});
    if (!started) return tl::unexpected(started.error());
    eal_started = true;
  }
  auto dataplane = std::make_unique<DpdkDataplane>(config, make_sink(0));
  if (auto opened = dataplane->open(); !opened) return tl::unexpected(opened.error());
  return dataplane;
}

}  // namespace soundgate
