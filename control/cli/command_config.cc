// soundgate config: check a configuration before the daemon gets it.
#include <nlohmann/json.hpp>

#include "control/cli/commands.h"
#include "control/cli/output.h"
#include "control/config/config.h"
#include "control/text.h"

namespace soundgate {

Result<int> check_config(const Invocation& invocation, const std::string& file) {
  const auto config = load_config(file);
  if (!config) return fail(ErrorCode::kInvalid, config.error());
  if (invocation.json) {
    print_json({{"file", file}, {"valid", true}, {"policy_version", config->policy_version}});
  } else {
    const char* but = !config->dataplane ? ", no [dataplane]: control only"
                      : config->dataplane->inspect.empty()
                          ? ", no [[inspect]]: nothing is inspected"
                          : "";
    print_line(escape_controls(file) + ": valid" + but);
  }
  return 0;
}

}  // namespace soundgate
