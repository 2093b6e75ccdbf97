// soundgate config: check a configuration before the daemon gets it.
#include <nlohmann/json.hpp>

#include "control/cli/commands.h"
#include "control/cli/output.h"
#include "control/config/config.h"

namespace soundgate {

Result<int> check_config(const Invocation& invocation, const std::string& file) {
  const auto config = load_config(file);
  if (!config) return fail(ErrorCode::kInvalid, config.error());
  if (invocation.json) {
    print_json({{"file", file}, {"valid", true}, {"policy_version", config->policy_version}});
  } else {
    print_line(file + ": valid" + (config->dataplane ? "" : ", no [dataplane]: control only"));
  }
  return 0;
}

}  // namespace soundgate
