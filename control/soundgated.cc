// soundgated: the appliance. One process from packets to decisions; see control/README.md.
#include <systemd/sd-daemon.h>
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <csignal>
#include <cstdio>
#include <exception>

#include "control/daemon.h"
#include "control/decisions/verdict_json.h"
#include "control/log.h"
#include "control/version.h"

namespace soundgate {
namespace {

constexpr int kExitUsage = 2;

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

int serve(const Config& config) {
  const sigset_t signals = block_stop_signals();
  set_log_level(config.log_level);
  auto daemon = Daemon::start(config);
  if (!daemon) return fail_with(daemon.error().message, exit_code(daemon.error().code));
  log(LogLevel::kInfo, "started",
      {{"version", kVersion},
       {"pid", std::to_string(getpid())},
       {"socket", config.socket.string()},
       {"store", config.store.string()},
       {"packets", config.dataplane ? "yes" : "no"}});
  sd_notify(0, "READY=1");
  int signal = 0;
  sigwait(&signals, &signal);
  sd_notify(0, "STOPPING=1");
  log(LogLevel::kInfo, "stopping", {{"signal", std::to_string(signal)}});
  daemon->reset();
  log(LogLevel::kInfo, "stopped");
  return 0;
}

int run(int argc, char** argv) {
  CLI::App app("Soundgate's appliance: inspects uploads on their way to the origin", "soundgated");
  std::string file;
  bool check = false;
  app.add_option("--config", file, "Configuration, in TOML")->required();
  app.add_flag("--check", check, "Only say whether the configuration is valid");
  app.set_version_flag("--version", std::string("soundgated ") + kVersion);
  try {
    app.parse(argc, argv);
  } catch (const CLI::Success& success) {
    return app.exit(success);
  } catch (const CLI::ParseError& error) {
    return fail_with(error.what(), kExitUsage);
  }
  const auto config = load_config(file);
  if (!config) return fail_with(config.error(), kExitUsage);
  return check ? 0 : serve(*config);
}

}  // namespace
}  // namespace soundgate

int main(int argc, char** argv) {
  try {
    return soundgate::run(argc, argv);
  } catch (const std::exception& error) {
    return soundgate::fail_with(error.what(), 1);
  }
}
