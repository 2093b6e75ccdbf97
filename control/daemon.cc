#include "control/daemon.h"

#include <random>

#include "control/limits.h"
#include "control/log.h"
#include "dataplane/port/capture_file.h"

namespace soundgate {

using namespace std::chrono_literals;

Result<std::unique_ptr<Daemon>> Daemon::start(const Config& config) {
  std::unique_ptr<Daemon> daemon(new Daemon(config));
  // The socket is taken first: a second daemon must not touch anything of the first one's.
  auto server = HttpServer::listen(
      config.socket, {config.connections_max, config.role_groups, config.socket_group});
  if (!server) return tl::unexpected(server.error());
  daemon->server_ = std::move(*server);
  // A large index takes a while to load: who asks hears so, and a supervisor that we are alive.
  add_starting_routes(daemon->starting_router_);
  daemon->server_->start(daemon->starting_router_);
  auto started =
      daemon->open_store().and_then([&] { return daemon->start_decoders(); }).and_then([&] {
        return daemon->start_packets();
      });
  if (!started) return tl::unexpected(started.error());
  daemon->watch_threads();
  daemon->serve();
  return daemon;
}

Result<void> Daemon::open_store() {
  auto index = lift(
      Index::open(config_.store, {.create = true,
                                  .owner = "soundgated",
                                  .false_positives_per_upload = config_.false_positives_per_upload,
                                  .keep = std::chrono::days(config_.index_keep_days)}));
  if (!index) return tl::unexpected(index.error());
  index_ = std::move(*index);
  auto decisions = DecisionStore::open(config_.store);
  if (!decisions) return tl::unexpected(decisions.error());
  decisions_ = std::move(*decisions);
  auto mode = ModeSwitch::remembered(*decisions_, config_.mode);
  if (!mode) return tl::unexpected(mode.error());
  mode_at_start_ = mirrors() ? ModeSwitch::observing() : *mode;
  bypass_ = std::make_unique<Bypass>(config_.bypass, *decisions_);
  drain_ = std::make_unique<DrainSwitch>(intake_);
  skips_ = std::make_unique<SkipBook>(*decisions_, intake_);
  return skips_->load();
}

Result<void> Daemon::start_decoders() {
  const int lcore_count = config_.dataplane ? static_cast<int>(config_.dataplane->lcore_count) : 0;
  for (int i = 0; i < lcore_count; ++i) {
    channels_.push_back(std::make_unique<UploadChannel>(static_cast<size_t>(i)));
  }
  files_ = std::make_unique<FileDecoder>(*index_);
  probes_ = std::make_unique<BankProbes>(*index_, config_.probes_cpu_share);
  recorder_ = std::make_unique<Recorder>(
      *decisions_, channels_,
      Recorder::Settings{config_.fail_policy, config_.policy_version, config_.decisions, &refused_,
                         config_.on_decision});
  matcher_ = std::make_unique<UploadMatcher>(
      *index_, config_.fail_policy, channels_, config_.early_verdict,
      [this](uint64_t tag) { recorder_->verdict_ready(tag); }, on_candidate());
  if (lcore_count > 0) {
    matcher_threads_ = std::make_unique<MatcherThreads>(*matcher_, static_cast<size_t>(lcore_count),
                                                        config_.match_threads);
  }
  listener_ = std::make_unique<ListenerSwitch>(
      matcher_threads_.get(), *files_,
      [this](const std::string& what) { recorder_->trouble(what); });

  DecoderPool::Options options = config_.decoder;
  if (lcore_count > 0) {
    const auto parts = static_cast<size_t>(lcore_count);
    options.producer_parts.assign(parts,
                                  {.streams = kLcoreStreamsPerWorker / lcore_count,
                                   .payload_bytes = options.payload_bytes_per_worker / parts,
                                   .can_wait = config_.dataplane->placement == Placement::kReplay});
  }
  options.producer_parts.insert(options.producer_parts.end(), kControlStreams,
                                FileDecoder::producer_part(options));
  auto pool = DecoderPool::start(options, *listener_);
  if (!pool) return fail(ErrorCode::kUnavailable, "cannot start the decoders: " + pool.error());
  decoders_ = std::move(*pool);
  files_->attach(*decoders_, lcore_count, kControlStreams);
  probes_->attach(*decoders_);
  decoders_->set_coverage(config_.coverage);
  closer_looks_.attach(*decoders_);
  recorder_->start();
  return {};
}

// Where not all of an upload is decoded, what may have something in it that is known is heard
// whole.
UploadMatcher::OnCandidate Daemon::on_candidate() {
  if (config_.coverage.share >= 1) return nullptr;
  return [this](uint64_t tag) { closer_looks_.ask(tag); };
}

Result<void> Daemon::start_packets() {
  if (!config_.dataplane) return {};
  DataplaneConfig packets = *config_.dataplane;
  packets.mode = mode_at_start_.mode;
  packets.intake = intake_;
  std::random_device entropy;
  const bool refused_blocks =
      config_.fail_policy.of(DecodeOutcome::decoder_overload) == FailAction::kBlock;
  const bool replays = packets.placement == Placement::kReplay;
  const std::chrono::milliseconds patience = replays ? kReplayPatience : 0s;
  const auto make_sink = [&](unsigned lcore_index) -> std::unique_ptr<UploadSink> {
    const uint64_t seed = static_cast<uint64_t>(entropy()) << 32 | entropy();
    return std::make_unique<LcoreSink>(*channels_.at(lcore_index),
                                       decoders_->producer(static_cast<int>(lcore_index)),
                                       refused_blocks, seed, patience);
  };
  auto dataplane = Dataplane::create(packets, make_sink);
  if (!dataplane) return fail(ErrorCode::kUnavailable, dataplane.error());
  dataplane_ = std::move(*dataplane);
  refused_.attach([this](std::vector<UploadKey> uploads) {
    return dataplane_->lift_refusals(std::move(uploads));
  });
  if (packets.inspect.empty()) {
    log(LogLevel::kWarn, "nothing_inspected", {{"why", "the configuration has no [[inspect]]"}});
  }
  if (auto ours = take_over(packets); !ours) return ours;
  dataplane_->start();
  const double payload_bytes = static_cast<double>(config_.decoder.payload_bytes_per_worker) *
                               config_.decoder.worker_count * static_cast<double>(channels_.size());
  overload_ = std::make_unique<OverloadControl>(*decoders_, *probes_, intake_, config_.coverage,
                                                payload_bytes);
  return {};
}

// Last of all, so that packets go round for as short a time as can be. What forwards nothing (a
// tap, a replay) leaves that to whoever does.
Result<void> Daemon::take_over(const DataplaneConfig& packets) {
  if (packets.placement != Placement::kInline) return {};
  if (auto ours = bypass_->take_over(
          {kernel_interface(packets.client_port), kernel_interface(packets.origin_port)});
      !ours) {
    return ours;
  }
  if (bypass_->is_configured()) dataplane_->discard_received();
  return {};
}

void Daemon::serve() {
  mode_ = std::make_unique<ModeSwitch>(*decisions_, mode_at_start_, dataplane_.get(), !mirrors());
  services_ = std::make_unique<Services>(Services{*index_, *decisions_, *files_, *probes_, *mode_,
                                                  config_.fail_policy, config_.policy_version});
  services_->decoders = decoders_.get();
  services_->recorder = recorder_.get();
  services_->dataplane = dataplane_.get();
  if (dataplane_) services_->drain = drain_.get();
  services_->skips = skips_.get();
  if (dataplane_ && !mirrors() && bypass_->is_configured()) services_->bypass = bypass_.get();
  if (dataplane_) captures_ = std::make_unique<Captures>(*dataplane_, *decisions_);
  services_->captures = captures_.get();
  services_->overload = overload_.get();
  services_->watchdog = &watchdog_;
  services_->refused = &refused_;
  services_->started = std::chrono::system_clock::now();
  add_routes(router_, *services_);
  server_->replace(router_);
}

void Daemon::watch_ports() {
  if (!dataplane_) return;
  const std::string advice =
      port_watch_.look(dataplane_->counters(), std::chrono::steady_clock::now());
  if (!advice.empty()) log(LogLevel::kWarn, "odd_frames", {{"what", advice}});
}

// Every upload that the lcores have begun is in the decision log, or was counted for having no
// slot.
bool Daemon::replayed() const {
  if (!dataplane_ || !dataplane_->finished()) return false;
  const RecorderCounters recorded = recorder_->counters();
  uint64_t ended = recorded.unrecorded;
  for (const auto& by_checked : recorded.verdicts) {
    for (const uint64_t count : by_checked) ended += count;
  }
  return ended >= dataplane_->counters().uploads_begun;
}

bool Daemon::replayed_whole() const {
  const DataplaneCounters::Port port = dataplane_->counters().client;
  return is_whole_capture(config_.dataplane->capture_file, port.received_packets,
                          port.received_bytes);
}

void Daemon::watch_threads() {
  const size_t lcore_count = dataplane_ ? dataplane_->counters().lcore_polls.size() : 0;
  for (size_t i = 0; i < lcore_count; ++i) {
    watchdog_.watch("lcore " + std::to_string(i), config_.lcore_silence_max, [this, i] {
      return Watchdog::Pulse{dataplane_->counters().lcore_polls.at(i)};
    });
  }
  const size_t matcher_count = matcher_threads_ ? matcher_threads_->thread_count() : 0;
  for (size_t i = 0; i < matcher_count; ++i) {
    watchdog_.watch("matcher " + std::to_string(i), config_.thread_silence_max, [this, i] {
      const uint64_t pulse = matcher_threads_->pulse(i);
      return Watchdog::Pulse{pulse, pulse % 2 == 0};
    });
  }
  watchdog_.watch("recorder", config_.thread_silence_max,
                  [this] { return Watchdog::Pulse{recorder_->rounds()}; });
  watchdog_.watch("collector", config_.thread_silence_max,
                  [this] { return Watchdog::Pulse{decoders_->status().rounds}; });
}

bool Daemon::is_well() {
  if (overload_) overload_->look(OverloadLadder::Clock::now());
  const bool well = watchdog_.look(Watchdog::Clock::now());
  if (std::vector<std::string> stuck = watchdog_.stuck(); stuck != stuck_) {
    for (const std::string& part : stuck) log(LogLevel::kError, "stuck", {{"part", part}});
    stuck_ = std::move(stuck);
  }
  return well;
}

void Daemon::drain(const std::string& reason) {
  if (dataplane_) drain_->set(true, "soundgated", reason);
}

// The recorder knows of an upload a little after the lcore, and until its row is made. For a part
// that may come in an hour nobody waits.
bool Daemon::has_uploads_in_flight() const {
  if (!dataplane_) return false;
  const DataplaneCounters counters = dataplane_->counters();
  const uint64_t ended =
      counters.uploads_released + counters.uploads_blocked + counters.uploads_aborted;
  return counters.uploads_begun > ended + counters.resources_idle ||
         recorder_->counters().uploads_in_flight > counters.resources_idle;
}

void Daemon::leave() {
  if (left_) return;
  left_ = true;
  if (index_) index_->stop_long_work();   // somebody may wait for it at the socket
  if (captures_) captures_->shut_down();  // whoever reads it gets its end
  if (server_) server_->stop();
  if (dataplane_) dataplane_->stop();
  if (bypass_) bypass_->hand_over();
}

Daemon::~Daemon() {
  leave();  // what follows takes its time
  closer_looks_.detach();
  overload_.reset();
  decoders_.reset();         // the sinks are idle now
  matcher_threads_.reset();  // and no more verdicts come
  if (recorder_) recorder_->stop();
  refused_.attach(nullptr);
  captures_.reset();
  dataplane_.reset();
}

}  // namespace soundgate
