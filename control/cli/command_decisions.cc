// soundgate decisions: list, show.
#include <nlohmann/json.hpp>

#include "control/cli/commands.h"
#include "control/cli/output.h"
#include "control/cli/verdict_text.h"

namespace soundgate {
namespace {

using Json = nlohmann::ordered_json;

std::string decision_line(const Json& decision) {
  const Json request = decision.value("request", Json::object());
  const std::string enforced = decision.value("enforced", false) ? "" : "  (not enforced)";
  return field(decision, "upload_id") + "  " + field(decision, "time").substr(0, 19) + "Z  " +
         verdict_columns(decision) + "  " + field(request, "method") + " " +
         field(request, "path") + enforced;
}

}  // namespace

Result<int> list_decisions(const Invocation& invocation, const DecisionsOptions& options) {
  auto backend = invocation.open();
  if (!backend) return tl::unexpected(backend.error());
  BackendRequest request{.method = "GET", .path = {"v1", "decisions"}};
  const auto add = [&](const char* key, const std::string& value) {
    if (!value.empty()) request.query.emplace_back(key, value);
  };
  add("verdict", options.verdict);
  add("checked", options.checked);
  add("since", options.since);
  add("request_id", options.request_id);
  add("limit", options.limit);
  const auto decisions = (*backend)->call(request);
  if (!decisions) return tl::unexpected(decisions.error());
  for (const Json& decision : decisions->at("decisions")) {
    if (invocation.json) {
      print_json(decision);
    } else {
      print_line(decision_line(decision));
    }
  }
  return 0;
}

Result<int> show_decision(const Invocation& invocation, const DecisionsOptions& options) {
  auto backend = invocation.open();
  if (!backend) return tl::unexpected(backend.error());
  const auto decision =
      (*backend)->call({.method = "GET", .path = {"v1", "decisions", options.upload_id}});
  if (!decision) return tl::unexpected(decision.error());
  if (invocation.json) {
    print_json(*decision);
    return 0;
  }
  for (const std::string& line : explain(*decision, invocation.backend_options())) print_line(line);
  return 0;
}

}  // namespace soundgate
