// soundgate-bypass: packets go round Soundgate while it is not there. See deploy/INLINE.md.
#include <getopt.h>
#include <sys/mman.h>
#include <systemd/sd-daemon.h>

#include <atomic>
#include <csignal>
#include <cstdio>
#include <optional>
#include <string>

#include "deploy/bypass/watcher.h"

namespace soundgate::bypass {
namespace {

constexpr int kExitUsage = 2;
constexpr int kExitConflict = 4;
constexpr int kExitUnavailable = 6;

constexpr const char* kUsage =
    "usage: soundgate-bypass --client INTERFACE --origin INTERFACE [--lock FILE] [--journal FILE]\n"
    "                        [--bridge NAME] [--release]\n"
    "  --client, --origin  the kernel's interfaces that soundgated's ports are\n"
    "  --lock FILE         as bypass.lock of soundgated (/run/soundgate-bypass/lock)\n"
    "  --journal FILE      as bypass.journal (/var/lib/soundgate-bypass/journal)\n"
    "  --bridge NAME       of the bridge that is made (sgbypass)\n"
    "  --release           only take the bridge apart; refused while soundgate-bypass watches\n";

std::atomic<bool> stopping{false};

void on_signal(int) { stopping = true; }

// Without SA_RESTART: it ends the wait for the lock.
void catch_stop_signals() {
  struct sigaction action {};
  action.sa_handler = on_signal;
  sigaction(SIGTERM, &action, nullptr);
  sigaction(SIGINT, &action, nullptr);
}

int fail_with(const std::string& message, int exit) {
  std::fprintf(stderr, "soundgate-bypass: %s\n", message.c_str());
  return exit;
}

struct Arguments {
  std::string client, origin;
  std::string lock = "/run/soundgate-bypass/lock";
  std::string journal = "/var/lib/soundgate-bypass/journal";
  std::string bridge = "sgbypass";
  bool release = false;
};

std::optional<int> parse(int argc, char** argv, Arguments& arguments) {
  constexpr option kOptions[] = {
      {"client", required_argument, nullptr, 'c'}, {"origin", required_argument, nullptr, 'o'},
      {"lock", required_argument, nullptr, 'l'},   {"journal", required_argument, nullptr, 'j'},
      {"bridge", required_argument, nullptr, 'b'}, {"release", no_argument, nullptr, 'r'},
      {"help", no_argument, nullptr, 'h'},         {}};
  for (int chosen = 0; (chosen = getopt_long(argc, argv, "", kOptions, nullptr)) != -1;) {
    if (chosen == 'c') arguments.client = optarg;
    if (chosen == 'o') arguments.origin = optarg;
    if (chosen == 'l') arguments.lock = optarg;
    if (chosen == 'j') arguments.journal = optarg;
    if (chosen == 'b') arguments.bridge = optarg;
    if (chosen == 'r') arguments.release = true;
    if (chosen == 'h') return std::fputs(kUsage, stdout) >= 0 ? 0 : 1;
    if (chosen == '?') return kExitUsage;
  }
  const bool two = !arguments.client.empty() && !arguments.origin.empty() &&
                   arguments.client != arguments.origin;
  if (optind < argc || !two) {
    return fail_with("two different interfaces are needed, --client and --origin. See --help",
                     kExitUsage);
  }
  return {};
}

int run(int argc, char** argv) {
  Arguments arguments;
  if (const auto exit = parse(argc, argv, arguments)) return *exit;
  catch_stop_signals();
  auto lock = ForwardingLock::open(arguments.lock);
  if (!lock) return fail_with(lock.error(), 1);
  if (!lock->try_take(ForwardingLock::Part::kWatching)) {
    return fail_with("another soundgate-bypass watches " + arguments.lock, kExitConflict);
  }
  Bridge bridge(arguments.bridge, arguments.client, arguments.origin);
  if (arguments.release) {
    const auto done = bridge.part();
    return done ? 0 : fail_with(done.error(), 1);
  }
  if (const auto made = bridge.prepare(); !made) return fail_with(made.error(), kExitUnavailable);
  // When memory is short, this is needed most.
  mlockall(MCL_CURRENT | MCL_FUTURE);
  sd_notify(0, "READY=1");
  Watcher(std::move(*lock), std::move(bridge), arguments.journal, stopping).run();
  return 0;
}

}  // namespace
}  // namespace soundgate::bypass

int main(int argc, char** argv) { return soundgate::bypass::run(argc, argv); }
