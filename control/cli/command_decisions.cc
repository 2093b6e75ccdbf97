// soundgate decisions: list, show.
#include <nlohmann/json.hpp>

#include "control/cli/commands.h"
#include "control/cli/output.h"
#include "control/cli/verdict_text.h"
#include "control/text.h"

namespace soundgate {
namespace {

using Json = nlohmann::ordered_json;

std::string decision_line(const Json& decision) {
  const Json request = decision.value("request", Json::object());
  const std::string enforced = decision.value("enforced", false) ? "" : "  (not enforced)";
  return field(decision, "upload_id") + "  " + field(decision, "time").substr(0, 19) + "Z  " +
         verdict_columns(decision) + "  " + field(request, "method") + " " +
         word_or_quoted(field(request, "path")) + enforced;
}

void print_decision(const Invocation& invocation, const Json& decision) {
  if (invocation.json) {
    print_json(decision);
  } else {
    print_line(decision_line(decision));
  }
}

BackendRequest list_request(const DecisionsOptions& options, const std::string& limit,
                            const std::string& after) {
  BackendRequest request{.method = "GET", .path = {"v1", "decisions"}};
  const auto add = [&](const char* key, const std::string& value) {
    if (!value.empty()) request.query.emplace_back(key, value);
  };
  add("verdict", options.verdict);
  add("checked", options.checked);
  add("since", options.since);
  add("request_id", options.request_id);
  add("limit", limit);
  add("after", after);
  return request;
}

}  // namespace

Result<int> list_decisions(const Invocation& invocation, const DecisionsOptions& options) {
  auto backend = invocation.open();
  if (!backend) return tl::unexpected(backend.error());
  std::string limit = options.limit;
  std::string after;
  for (;;) {
    const auto page = (*backend)->call(list_request(options, limit, after));
    if (!page) return tl::unexpected(page.error());
    for (const Json& decision : page->at("decisions")) print_decision(invocation, decision);
    const Json next = page->value("next", Json());
    if (next.is_null()) return 0;
    limit = std::to_string(next.at("limit").get<int64_t>());
    after = next.at("after").get<std::string>();
  }
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
