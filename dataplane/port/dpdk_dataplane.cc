// Dataplane::create: an engine for each lcore, on DPDK ports.
#include <rte_errno.h>
#include <rte_mbuf.h>
#include <sched.h>

#include <algorithm>
#include <array>
#include <memory>
#include <optional>
#include <random>
#include <vector>

#include "dataplane/dataplane.h"
#include "dataplane/engine.h"
#include "dataplane/port/capture_file.h"
#include "dataplane/port/capture_session.h"
#include "dataplane/port/eal.h"
#include "dataplane/port/ethdev_port.h"
#include "dataplane/port/kernel_interface.h"
#include "dataplane/port/lcore_loop.h"
#include "dataplane/port/mirror_loop.h"
#include "dataplane/port/port_queue.h"
#include "dataplane/port/steering.h"
#include "dataplane/port/telemetry.h"

namespace soundgate {
namespace {

constexpr unsigned kPackets = 16'383;     // in the rings of both ports, and on their way
constexpr unsigned kPacketsMore = 8'192;  // for each further lcore
constexpr unsigned kPacketCache = 256;

HashSeed random_seed() {
  std::random_device device;
  const auto word = [&] { return uint64_t{device()} << 32 | device(); };
  return {word(), word()};
}

bool is_there(int cpu) {
  cpu_set_t cpus;
  return cpu >= 0 && cpu < CPU_SETSIZE && sched_getaffinity(0, sizeof cpus, &cpus) == 0 &&
         CPU_ISSET(static_cast<size_t>(cpu), &cpus);
}

tl::expected<void, std::string> check(const DataplaneConfig& config) {
  const auto failure = [](std::string why) { return tl::unexpected(std::move(why)); };
  if (config.lcore_count < 1 || config.lcore_count > kLcoresMax) {
    return failure("dataplane.queue_pairs must be 1 to " + std::to_string(kLcoresMax));
  }
  if (config.placement == Placement::kReplay && config.lcore_count != 1) {
    return failure("a capture is replayed by one lcore: dataplane.queue_pairs must be 1");
  }
  for (const int cpu : config.lcores) {
    if (!is_there(cpu)) {
      return failure("dataplane.lcores: there is no CPU " + std::to_string(cpu) +
                     " that this process may use");
    }
  }
  if (config.placement == Placement::kReplay) return check_capture(config.capture_file);
  return {};
}

// By Side; a tap and a replay have one, which is the client's.
std::vector<std::string> devices(const DataplaneConfig& config) {
  switch (config.placement) {
    case Placement::kTap:
      return {config.tap_port};
    case Placement::kReplay:
      return {"net_pcap0,rx_pcap=" + config.capture_file};
    case Placement::kInline:
      break;
  }
  return {config.client_port, config.origin_port};
}

// Everything of one lcore. Members are destroyed from the last to the first.
struct Lcore {
  std::unique_ptr<UploadSink> sink;
  std::vector<std::unique_ptr<PortQueue>> queues;  // by Side
  std::unique_ptr<Steering> steering;              // where there are several lcores
  std::unique_ptr<LcoreThread> thread;
  std::unique_ptr<Engine> engine;
};

// What a port has by now: a ring, and at most as much again that comes meanwhile.
void discard(PortQueue& port) {
  constexpr size_t kBurstsMax = 2 * kPackets / kBurstFrames;
  std::array<rte_mbuf*, kBurstFrames> burst;
  for (size_t i = 0; i < kBurstsMax; ++i) {
    const uint16_t count = port.receive(burst);
    if (count == 0) return;
    rte_pktmbuf_free_bulk(burst.data(), count);
  }
}

class DpdkDataplane final : public Dataplane {
 public:
  explicit DpdkDataplane(const DataplaneConfig& config) : config_(config) {}
  ~DpdkDataplane() override {
    DpdkDataplane::stop();
    telemetry_.reset();
    lcores_.clear();
    inboxes_.clear();
    outboxes_.clear();
    ports_.clear();  // they may have packets still
    rte_mempool_free(pool_);
  }

  tl::expected<void, std::string> open(const MakeSink& make_sink);
  void start() override;
  void stop() override;
  void set_mode(Mode mode) override;
  bool finished() const override {
    return config_.placement == Placement::kReplay && lcores_.front()->thread->ended();
  }
  void discard_received() override;
  bool lift_refusals(std::vector<UploadKey> uploads) override {
    return shared_.lift(std::move(uploads)) > 0;
  }
  DataplaneCounters counters() const override;
  tl::expected<std::unique_ptr<PacketCapture>, std::string> begin_capture(
      const CaptureOrder& order) override;

 private:
  tl::expected<void, std::string> open_ports();
  tl::expected<void, std::string> open_rings();
  CapturePoint* capture_point(size_t side, unsigned lcore_index);
  void add_lcore(unsigned index, std::unique_ptr<UploadSink> sink);
  int cpu_of(unsigned index) const {
    return index < config_.lcores.size() ? config_.lcores[index] : -1;
  }

  const DataplaneConfig config_;
  rte_mempool* pool_ = nullptr;
  std::vector<std::unique_ptr<EthdevPort>> ports_;  // by Side
  std::vector<Handover> outboxes_;                  // likewise
  CaptureSession captures_;                         // for all lcores; not of a replay
  std::vector<Inbox> inboxes_;                      // by lcore; none where there is only one
  SharedResources shared_{random_seed()};           // by the engines of all lcores
  std::vector<std::unique_ptr<Lcore>> lcores_;
  std::optional<Telemetry> telemetry_;  // while there is something to be told
};

tl::expected<void, std::string> DpdkDataplane::open(const MakeSink& make_sink) {
  return open_ports().and_then([&] { return open_rings(); }).map([&] {
    if (config_.placement != Placement::kReplay) captures_.open(config_.lcore_count);
    for (unsigned index = 0; index < config_.lcore_count; ++index) {
      add_lcore(index, make_sink(index));
    }
    telemetry_.emplace(*this);
  });
}

tl::expected<void, std::string> DpdkDataplane::open_ports() {
  const unsigned packets = kPackets + kPacketsMore * (config_.lcore_count - 1);
  pool_ = rte_pktmbuf_pool_create("soundgate", packets, kPacketCache, 0,
                                  kFrameBytesMax + RTE_PKTMBUF_HEADROOM, SOCKET_ID_ANY);
  if (pool_ == nullptr) {
    return tl::unexpected("no memory for packets (" + std::string(rte_strerror(rte_errno)) +
                          "): give the EAL more with -m");
  }
  for (const std::string& device : devices(config_)) {
    ports_.push_back(std::make_unique<EthdevPort>());
    auto opened = ports_.back()->open(device, pool_, config_.lcore_count, config_.share_by);
    if (!opened) return opened;
  }
  return {};
}

tl::expected<void, std::string> DpdkDataplane::open_rings() {
  if (config_.lcore_count == 1) return {};
  inboxes_ = std::vector<Inbox>(config_.lcore_count);
  outboxes_ = std::vector<Handover>(ports_.size());
  for (size_t side = 0; side < ports_.size(); ++side) {
    const std::string port = "sg" + std::to_string(side);
    if (auto opened = outboxes_[side].open(port + "-out", config_.lcore_count); !opened)
      return opened;
    for (size_t lcore = 0; lcore < inboxes_.size(); ++lcore) {
      auto opened =
          inboxes_[lcore][side].open(port + "-in" + std::to_string(lcore), config_.lcore_count);
      if (!opened) return opened;
    }
  }
  return {};
}

CapturePoint* DpdkDataplane::capture_point(size_t side, unsigned lcore_index) {
  if (config_.placement == Placement::kReplay) return nullptr;
  const bool faces_one = config_.placement == Placement::kInline;
  const auto whom = faces_one ? std::optional(static_cast<Side>(side)) : std::nullopt;
  return captures_.add_point(ports_[side]->id(), whom, lcore_index);
}

void DpdkDataplane::add_lcore(unsigned index, std::unique_ptr<UploadSink> sink) {
  auto lcore = std::make_unique<Lcore>();
  lcore->sink = std::move(sink);
  for (size_t side = 0; side < ports_.size(); ++side) {
    const EthdevPort& port = *ports_[side];
    Handover* outbox = outboxes_.empty() ? nullptr : &outboxes_[side];
    lcore->queues.push_back(std::make_unique<PortQueue>(port.id(), port.pair_of(index), outbox,
                                                        index, capture_point(side, index)));
  }
  if (!inboxes_.empty())
    lcore->steering = std::make_unique<Steering>(inboxes_, index, config_.share_by);
  const auto run_engine = [&](auto loop) {
    lcore->engine = std::make_unique<Engine>(config_, random_seed(), index, *loop, *lcore->sink,
                                             CoreSizes{.flows = config_.flows_max}, &shared_);
    loop->attach(*lcore->engine);
    lcore->thread = std::move(loop);
  };
  if (config_.placement == Placement::kInline) {
    run_engine(std::make_unique<LcoreLoop>(*lcore->queues[0], *lcore->queues[1],
                                           lcore->steering.get(), pool_, cpu_of(index)));
  } else {
    const auto clock = config_.placement == Placement::kReplay ? MirrorLoop::Clock::kOfPackets
                                                               : MirrorLoop::Clock::kOurs;
    run_engine(std::make_unique<MirrorLoop>(*lcore->queues[0], lcore->steering.get(), clock,
                                            cpu_of(index)));
  }
  lcores_.push_back(std::move(lcore));
}

void DpdkDataplane::discard_received() {
  for (const auto& lcore : lcores_) {
    for (const auto& queue : lcore->queues) discard(*queue);
  }
}

void DpdkDataplane::start() {
  for (const auto& lcore : lcores_) lcore->thread->start();
}

// What one lcore put out for another one that had ended already is sent at last.
void DpdkDataplane::stop() {
  for (const auto& lcore : lcores_) lcore->thread->request_stop();
  for (const auto& lcore : lcores_) lcore->thread->join();
  for (const auto& lcore : lcores_) {
    for (const auto& queue : lcore->queues) {
      while (queue->send_for_others()) continue;
    }
  }
}

void DpdkDataplane::set_mode(Mode mode) {
  for (const auto& lcore : lcores_) lcore->engine->set_mode(mode);
}

void add(DataplaneCounters::Port& sum, const PortCounters& counters) {
  sum.received_packets += counters.received_packets.get();
  sum.received_bytes += counters.received_bytes.get();
  sum.sent_packets += counters.sent_packets.get();
  sum.sent_bytes += counters.sent_bytes.get();
  sum.dropped_packets += counters.dropped_packets.get();
}

void add(DataplaneCounters& sum, const CoreCounters& core) {
  sum.flows_open += core.flows_open.get();
  sum.flows_opened += core.flows_opened.get();
  sum.flows_midstream_open += core.flows_midstream.get();
  sum.uploads_begun += core.uploads_begun.get();
  sum.uploads_released += core.uploads_released.get();
  sum.uploads_blocked += core.uploads_blocked.get();
  sum.uploads_aborted += core.uploads_aborted.get();
  sum.packets_held += core.segments_held.get();
  sum.bytes_held += core.bytes_held.get();
  for (size_t i = 0; i < kReasonCount; ++i) sum.reasons[i] += core.reasons[i].get();
  const double oldest = static_cast<double>(core.oldest_midstream_ms.get()) / 1000.0;
  sum.oldest_midstream_seconds = std::max(sum.oldest_midstream_seconds, oldest);
  sum.bad_checksums += core.bad_checksums.get();
  sum.frames_cut += core.frames_cut.get();
  sum.conflicting_bytes += core.conflicting_bytes.get();
  sum.segments_refused += core.segments_refused.get();
  sum.flows_evicted += core.flows_evicted.get();
  sum.segments_put_off += core.segments_put_off.get();
  sum.parts_refused += core.parts_refused.get();
  sum.resources_open += core.resources_open.get();
  sum.resources_idle += core.resources_idle.get();
}

DataplaneCounters DpdkDataplane::counters() const {
  DataplaneCounters sum{};
  sum.reasons.resize(kReasonCount);
  for (const auto& lcore : lcores_) {
    add(sum.client, lcore->queues[0]->counters());
    if (lcore->queues.size() > 1) add(sum.origin, lcore->queues[1]->counters());
    add(sum, lcore->engine->counters());
    sum.lcore_polls.push_back(lcore->engine->counters().polls.get());
    if (!lcore->steering) continue;
    sum.packets_handed_over += lcore->steering->handed_over().get();
    sum.packets_not_handed_over += lcore->steering->dropped().get();
  }
  const CaptureCounts captured = captures_.counts();
  sum.frames_captured = captured.frames;
  sum.frames_not_captured = captured.lost_frames;
  return sum;
}

tl::expected<std::unique_ptr<PacketCapture>, std::string> DpdkDataplane::begin_capture(
    const CaptureOrder& order) {
  if (config_.placement == Placement::kReplay) {
    return tl::unexpected(std::string("a replay's packets are in a file already"));
  }
  CaptureOrder named = order;
  if (config_.placement == Placement::kInline) {
    const bool clients_first = ports_[0]->id() < ports_[1]->id();
    named.comment += clients_first ? " Interface 0 faces the clients, 1 the origin."
                                   : " Interface 0 faces the origin, 1 the clients.";
  }
  return captures_.begin(named);
}

}  // namespace

tl::expected<std::unique_ptr<Dataplane>, std::string> Dataplane::create(
    const DataplaneConfig& config, const MakeSink& make_sink) {
  static bool eal_started = false;  // once a process: DPDK cannot start twice
  if (auto checked = check(config); !checked) return tl::unexpected(checked.error());
  for (const std::string& device : devices(config)) {
    if (auto sound = check_kernel_interface(device); !sound) return tl::unexpected(sound.error());
  }
  if (!eal_started) {
    auto started = start_eal(config.eal_arguments, devices(config));
    if (!started) return tl::unexpected(started.error());
    eal_started = true;
  }
  auto dataplane = std::make_unique<DpdkDataplane>(config);
  if (auto opened = dataplane->open(make_sink); !opened) return tl::unexpected(opened.error());
  return dataplane;
}

}  // namespace soundgate
