// soundgated: the appliance. One process from packets to decisions; see control/README.md.
#include <getopt.h>
#include <sys/stat.h>
#include <systemd/sd-daemon.h>
#include <unistd.h>

#include <chrono>
#include <condition_variable>
#include <csignal>
#include <cstdio>
#include <exception>
#include <mutex>
#include <nlohmann/json.hpp>
#include <optional>
#include <stop_token>
#include <string>
#include <thread>

#include "control/daemon.h"
#include "control/decisions/verdict_json.h"
#include "control/log.h"
#include "control/version.h"

namespace soundgate {
namespace {

constexpr int kExitUsage = 2;
constexpr int kExitNotWhole = 1;  // a replay that did not come to its file's end

int fail_with(const std::string& message, int exit) {
  std::fprintf(stderr, "soundgated: %s\n", message.c_str());
  return exit;
}

// Blocked in every thread, waited for in this one: no handler, nothing half done.
sigset_t block_stop_signals() {
  sigset_t signals;
  sigemptyset(&signals);
  sigaddset(&signals, SIGTERM);
  sigaddset(&signals, SIGINT);
  sigprocmask(SIG_BLOCK, &signals, nullptr);
  std::signal(SIGPIPE, SIG_IGN);
  return signals;
}

// How long until nothing of us forwards any more, beside what uploads in flight are given; and
// then, until what is known of them is on the disk.
constexpr std::chrono::seconds kLeaveMax{10};
constexpr std::chrono::seconds kRecordMax{60};

// A supervisor that has a limit of its own for the state we are in waits so long, too.
void ask_for_time(std::chrono::microseconds time) {
  sd_notifyf(0, "EXTEND_TIMEOUT_USEC=%lld", static_cast<long long>(time.count()));
}

// A large index that has to be made again of its catalogue takes many minutes to load. Who started
// us hears that we are at it, and the socket answers meanwhile.
class StartTimeout {
 public:
  StartTimeout() : thread_([this](const std::stop_token& stop) { extend(stop); }) {}

 private:
  void extend(const std::stop_token& stop) {
    std::unique_lock lock(mutex_);
    while (!stop.stop_requested()) {
      ask_for_time(std::chrono::minutes(1));
      wake_.wait_for(lock, stop, std::chrono::seconds(20), [] { return false; });
    }
  }

  std::mutex mutex_;
  std::condition_variable_any wake_;
  std::jthread thread_;  // last: it uses the others
};

// Tells the supervisor that all goes on, as often as it wants to hear it. What is stuck does not
// get better by waiting: then it is asked to act at once, and hears nothing any more.
class Supervisor {
 public:
  static constexpr timespec kLookPeriod{0, 250'000'000};

  void tell(Daemon& daemon) {
    if (!daemon.is_well()) {
      if (!asked_) sd_notify(0, "WATCHDOG=trigger");
      asked_ = true;
    } else if (wants_ && !asked_) {
      sd_notify(0, "WATCHDOG=1");
    }
  }

 private:
  const bool wants_ = sd_watchdog_enabled(0, nullptr) > 0;
  bool asked_ = false;
};

// The signal that says so; 0 where a replay has come to its end.
int await_stop(Daemon& daemon, Supervisor& supervisor, const sigset_t& signals, bool replays) {
  constexpr timespec kReplayPeriod{0, 50'000'000};
  while (!daemon.replayed()) {
    supervisor.tell(daemon);
    const timespec& period = replays ? kReplayPeriod : Supervisor::kLookPeriod;
    const int signal = sigtimedwait(&signals, nullptr, &period);
    if (signal > 0) return signal;
    if (!replays) daemon.watch_ports();
  }
  return 0;
}

// Uploads in flight come to their end, as far as time allows. Another signal ends it at once.
void drain(Daemon& daemon, Supervisor& supervisor, std::chrono::milliseconds time_max,
           const sigset_t& signals) {
  constexpr timespec kPeriod{0, 20'000'000};
  const auto deadline = std::chrono::steady_clock::now() + time_max;
  if (time_max.count() == 0 || !daemon.has_uploads_in_flight()) return;
  daemon.drain("it is being stopped");
  ask_for_time(time_max + kLeaveMax);
  while (daemon.has_uploads_in_flight() && std::chrono::steady_clock::now() < deadline) {
    supervisor.tell(daemon);
    if (sigtimedwait(&signals, nullptr, &kPeriod) > 0) return;
  }
}

void print_verdict(const Decision& decision) {
  std::puts(dump(verdict_json(decision)).c_str());
  std::fflush(stdout);
}

int serve(const Config& config) {
  const sigset_t signals = block_stop_signals();
  set_log_level(config.log_level);
  auto daemon = [&] {
    const StartTimeout timeout;
    return Daemon::start(config);
  }();
  if (!daemon) return fail_with(daemon.error().message, exit_code(daemon.error().code));
  log(LogLevel::kInfo, "started",
      {{"version", kVersion},
       {"pid", std::to_string(getpid())},
       {"socket", config.socket.string()},
       {"store", config.store.string()},
       {"packets", config.dataplane ? "yes" : "no"}});
  sd_notify(0, "READY=1");
  const bool replays = config.dataplane && config.dataplane->placement == Placement::kReplay;
  Supervisor supervisor;
  const int signal = await_stop(**daemon, supervisor, signals, replays);
  sd_notify(0, "STOPPING=1");
  log(LogLevel::kInfo, "stopping", {{"signal", std::to_string(signal)}});
  const bool whole = !replays || (signal == 0 && (*daemon)->replayed_whole());
  if (!replays) drain(**daemon, supervisor, config.drain_max, signals);
  (*daemon)->leave();
  ask_for_time(kRecordMax);  // nobody waits for us any more
  daemon->reset();
  log(LogLevel::kInfo, "stopped");
  if (whole) return 0;
  return fail_with(signal != 0 ? "stopped before the end of the capture"
                               : "the capture is cut or damaged: what is behind was not read",
                   kExitNotWhole);
}

constexpr const char* kUsage =
    "usage: soundgated --config FILE [--check]\n"
    "  --config FILE  configuration, in TOML\n"
    "  --replay FILE  a capture (pcap, pcapng) instead of the ports: a verdict for each upload in "
    "it,\n"
    "                 a JSON object a line, and the end\n"
    "  --check        only say whether the configuration is valid\n"
    "  --version      say which version this is\n";

struct Arguments {
  std::string config;
  std::string replay;
  bool check = false;
};

// An exit code where there is nothing more to do.
std::optional<int> parse(int argc, char** argv, Arguments& arguments) {
  constexpr option kOptions[] = {
      {"config", required_argument, nullptr, 'c'}, {"replay", required_argument, nullptr, 'r'},
      {"check", no_argument, nullptr, 'k'},        {"version", no_argument, nullptr, 'v'},
      {"help", no_argument, nullptr, 'h'},         {}};
  for (int chosen = 0; (chosen = getopt_long(argc, argv, "", kOptions, nullptr)) != -1;) {
    if (chosen == 'c') arguments.config = optarg;
    if (chosen == 'r') arguments.replay = optarg;
    if (chosen == 'k') arguments.check = true;
    if (chosen == 'v') return std::printf("soundgated %s\n", kVersion) > 0 ? 0 : 1;
    if (chosen == 'h') return std::fputs(kUsage, stdout) >= 0 ? 0 : 1;
    if (chosen == '?') return kExitUsage;
  }
  if (optind < argc)
    return fail_with(std::string("what is ") + argv[optind] + "? See --help", kExitUsage);
  if (arguments.config.empty()) return fail_with("--config FILE is missing", kExitUsage);
  return {};
}

int run(int argc, char** argv) {
  Arguments arguments;
  if (const auto exit = parse(argc, argv, arguments)) return *exit;
  auto config = load_config(arguments.config);
  if (!config) return fail_with(config.error(), kExitUsage);
  if (!arguments.replay.empty()) {
    const auto replays = replay_instead(*config, arguments.replay);
    if (!replays) return fail_with(replays.error(), kExitUsage);
    config->on_decision = print_verdict;
  }
  return arguments.check ? 0 : serve(*config);
}

}  // namespace
}  // namespace soundgate

int main(int argc, char** argv) {
  umask(0027);  // a store tells what people upload: it is not for everybody to read
  try {
    return soundgate::run(argc, argv);
  } catch (const std::exception& error) {
    return soundgate::fail_with(error.what(), 1);
  }
}
