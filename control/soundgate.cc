// soundgate: the command line. It talks to the daemon's socket or works on a store directly.
// Data on stdout, messages on stderr; exit codes: control/README.md.
#include <CLI/CLI.hpp>
#include <csignal>
#include <exception>

#include "control/cli/invocation.h"
#include "control/cli/output.h"
#include "control/log.h"
#include "control/version.h"

namespace soundgate {
namespace {

constexpr int kExitUsage = 2;

void add_commands(CLI::App& app, Invocation& invocation) {
  app.fallthrough();  // global options after the command, too
  app.require_subcommand(1);
  app.set_version_flag("--version", std::string("soundgate ") + kVersion);
  auto* store = app.add_option("--store", invocation.store, "Work on this store; no daemon may have it");
  app.add_option("--socket", invocation.socket, "Talk to the daemon here")
      ->capture_default_str()
      ->excludes(store);
  app.add_flag("--json", invocation.json, "JSON on stdout, an object a line");
  app.add_flag("--quiet", invocation.quiet, "No progress");
  add_scan_command(app, invocation);
  add_enroll_command(app, invocation);
  add_bank_commands(app, invocation);
  add_item_commands(app, invocation);
  add_decisions_commands(app, invocation);
  add_daemon_commands(app, invocation);
  add_config_commands(app, invocation);
}

int run(int argc, char** argv) {
  CLI::App app("Soundgate: recognises audio uploads, and stops those it is told to", "soundgate");
  Invocation invocation;
  add_commands(app, invocation);
  try {
    app.parse(argc, argv);
  } catch (const CLI::Success& success) {
    return app.exit(success);  // --help, --version
  } catch (const CLI::ParseError& error) {
    print_message(std::string(error.what()) + " (soundgate --help)");
    return kExitUsage;
  }
  const Result<int> exit = invocation.command();
  if (exit) return *exit;
  print_message(exit.error().message);
  return exit_code(exit.error().code);
}

}  // namespace
}  // namespace soundgate

int main(int argc, char** argv) {
  std::signal(SIGPIPE, SIG_IGN);
  soundgate::set_log_level("warn");
  try {
    return soundgate::run(argc, argv);
  } catch (const std::exception& error) {
    soundgate::print_message(error.what());
    return 1;
  }
}
