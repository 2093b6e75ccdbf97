// One run of `soundgate`: the global options, and the command that the arguments choose.
// A command returns its exit code, or the error that main prints as one line on stderr.
#pragma once

#include <functional>
#include <memory>
#include <string>

#include "control/cli/backend.h"
#include "control/error.h"

namespace soundgate {

struct Invocation {
  std::string store;
  std::string socket = "/run/soundgate/control.sock";
  std::string config;  // of the daemon, to match on a store as it would; empty: defaults
  bool json = false;
  bool quiet = false;
  std::function<Result<int>()> command;

  Result<std::unique_ptr<Backend>> open(StoreNeeds needs = {}) const;
  std::string backend_options() const;  // " --store DIR", to be repeated in commands we suggest
};

}  // namespace soundgate
