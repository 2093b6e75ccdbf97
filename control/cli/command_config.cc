// soundgate config: check a configuration before the daemon gets it.
#include <CLI/CLI.hpp>
#include <nlohmann/json.hpp>

#include "control/cli/invocation.h"
#include "control/cli/output.h"
#include "control/config/config.h"

namespace soundgate {
namespace {

Result<int> check(const Invocation& invocation, const std::string& file) {
  const auto config = load_config(file);
  if (!config) return fail(ErrorCode::kInvalid, config.error());
  if (invocation.json) {
    print_json({{"file", file}, {"valid", true}, {"policy_version", config->policy_version}});
  } else {
    print_line(file + ": valid" + (config->dataplane ? "" : ", no [dataplane]: control only"));
  }
  return 0;
}

}  // namespace

void add_config_commands(CLI::App& app, Invocation& invocation) {
  auto file = std::make_shared<std::string>();
  auto* group = app.add_subcommand("config", "The daemon's configuration");
  group->require_subcommand(1);
  auto* command = group->add_subcommand("check", "Say whether a file is valid, and where it is not");
  command->add_option("FILE", *file, "A configuration, in TOML")->required();
  command->callback([&invocation, file] {
    invocation.command = [&invocation, file] { return check(invocation, *file); };
  });
}

}  // namespace soundgate
