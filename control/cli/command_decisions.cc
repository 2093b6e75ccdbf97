// soundgate decisions: list, show.
#include <CLI/CLI.hpp>
#include <nlohmann/json.hpp>

#include "control/cli/invocation.h"
#include "control/cli/output.h"
#include "control/cli/verdict_text.h"

namespace soundgate {
namespace {

using Json = nlohmann::ordered_json;

struct DecisionsOptions {
  std::string verdict, checked, since, request_id, limit, upload_id;
};

std::string decision_line(const Json& decision) {
  const Json request = decision.value("request", Json::object());
  const std::string enforced = decision.value("enforced", false) ? "" : "  (not enforced)";
  return field(decision, "upload_id") + "  " + field(decision, "time").substr(0, 19) + "Z  " +
         verdict_columns(decision) + "  " + field(request, "method") + " " + field(request, "path") +
         enforced;
}

Result<int> list(const Invocation& invocation, const DecisionsOptions& options) {
  auto backend = invocation.open();
  if (!backend) return tl::unexpected(backend.error());
  BackendRequest request{.method = "GET", .path = {"v1", "decisions"}, .query = {}};
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

Result<int> show(const Invocation& invocation, const DecisionsOptions& options) {
  auto backend = invocation.open();
  if (!backend) return tl::unexpected(backend.error());
  const auto decision =
      (*backend)->call({.method = "GET", .path = {"v1", "decisions", options.upload_id}, .query = {}});
  if (!decision) return tl::unexpected(decision.error());
  if (invocation.json) {
    print_json(*decision);
    return 0;
  }
  for (const std::string& line : explain(*decision, invocation.backend_options())) print_line(line);
  return 0;
}

}  // namespace

void add_decisions_commands(CLI::App& app, Invocation& invocation) {
  auto options = std::make_shared<DecisionsOptions>();
  auto* group = app.add_subcommand("decisions", "What was decided on uploads, and why");
  group->require_subcommand(1);

  auto* listing = group->add_subcommand("list", "The latest decisions, newest last");
  listing->add_option("--verdict", options->verdict, "pass, flag or block");
  listing->add_option("--checked", options->checked, "full, partial or none");
  listing->add_option("--since", options->since, "A time, or an age (2h)");
  listing->add_option("--request-id", options->request_id, "Of this request");
  listing->add_option("--limit", options->limit, "The newest so many (1000)");
  listing->callback([&invocation, options] {
    invocation.command = [&invocation, options] { return list(invocation, *options); };
  });

  auto* showing = group->add_subcommand("show", "One decision, in sentences, and how to undo it");
  showing->add_option("ID", options->upload_id, "Upload id")->required();
  showing->callback([&invocation, options] {
    invocation.command = [&invocation, options] { return show(invocation, *options); };
  });
}

}  // namespace soundgate
