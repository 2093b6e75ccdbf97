// One run of `soundgate`: the global options, and the command that the arguments choose.
// A command returns its exit code, or the error that main prints as one line on stderr.
#pragma once

#include <functional>
#include <memory>
#include <string>

#include "control/cli/backend.h"
#include "control/error.h"

namespace CLI {
class App;
}

namespace soundgate {

struct Invocation {
  std::string store;
  std::string socket = "/run/soundgate/control.sock";
  bool json = false;
  bool quiet = false;
  std::function<Result<int>()> command;

  Result<std::unique_ptr<Backend>> open(const StoreNeeds& needs = {}) const;
  std::string backend_options() const;  // " --store DIR", to be repeated in commands we suggest
};

// Each group of commands adds itself to the parser.
void add_scan_command(CLI::App& app, Invocation& invocation);
void add_enroll_command(CLI::App& app, Invocation& invocation);
void add_bank_commands(CLI::App& app, Invocation& invocation);
void add_item_commands(CLI::App& app, Invocation& invocation);
void add_decisions_commands(CLI::App& app, Invocation& invocation);
void add_daemon_commands(CLI::App& app, Invocation& invocation);  // status, mode, uploads
void add_config_commands(CLI::App& app, Invocation& invocation);

}  // namespace soundgate
