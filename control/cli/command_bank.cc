// soundgate bank: create, set, list, pause, resume, delete.
#include <nlohmann/json.hpp>

#include "control/cli/commands.h"
#include "control/cli/output.h"

namespace soundgate {
namespace {

using Json = nlohmann::ordered_json;

Json settings_json(const BankOptions& options) {
  Json body = Json::object();
  if (!options.action.empty()) body["action"] = options.action;
  if (!options.probes.empty()) body["probes"] = options.probes;
  if (options.seconds_min) body["min_seconds"] = *options.seconds_min;
  return body;
}

std::string seconds_text(const Json& bank) {
  std::string text = bank.value("min_seconds", Json(0)).dump();
  if (text.ends_with(".0")) text.resize(text.size() - 2);
  return text + " s";
}

void print_banks(const Invocation& invocation, const Json& banks) {
  Table table({"BANK", "ACTION", "PROBES", "FROM", "REFERENCES", "STATE"});
  for (const Json& bank : banks) {
    if (invocation.json) print_json(bank);
    table.add({field(bank, "name"), field(bank, "action"), field(bank, "probes"),
               seconds_text(bank), field(bank, "references"),
               bank.value("paused", false) ? "paused" : "live"});
  }
  if (!invocation.json) table.print();
}

Result<int> finish(const Invocation& invocation, const Result<Json>& bank) {
  if (!bank) return tl::unexpected(bank.error());
  print_banks(invocation, Json::array({*bank}));
  return 0;
}

Result<int> change(const Invocation& invocation, const std::string& name, const Json& body) {
  auto backend = invocation.open();
  if (!backend) return tl::unexpected(backend.error());
  return finish(invocation,
                (*backend)->call({.method = "PATCH", .path = {"v1", "banks", name}}, body));
}

}  // namespace

Result<int> create_bank(const Invocation& invocation, const BankOptions& options) {
  auto backend = invocation.open({.create = true});
  if (!backend) return tl::unexpected(backend.error());
  Json body = settings_json(options);
  body["name"] = options.name;
  return finish(invocation, (*backend)->call({.method = "POST", .path = {"v1", "banks"}}, body));
}

Result<int> set_bank(const Invocation& invocation, const BankOptions& options) {
  const Json body = settings_json(options);
  if (!body.empty()) return change(invocation, options.name, body);
  return fail(ErrorCode::kInvalid,
              "there is nothing to set: --action, --probes or --min-seconds is missing");
}

Result<int> list_banks(const Invocation& invocation) {
  auto backend = invocation.open();
  if (!backend) return tl::unexpected(backend.error());
  const auto banks = (*backend)->call({.method = "GET", .path = {"v1", "banks"}});
  if (!banks) return tl::unexpected(banks.error());
  print_banks(invocation, banks->at("banks"));
  return 0;
}

Result<int> delete_bank(const Invocation& invocation, const BankOptions& options) {
  auto backend = invocation.open();
  if (!backend) return tl::unexpected(backend.error());
  BackendRequest request{.method = "DELETE", .path = {"v1", "banks", options.name}};
  if (options.force) request.query.emplace_back("force", "true");
  const auto deleted = (*backend)->call(request);
  if (!deleted) return tl::unexpected(deleted.error());
  if (invocation.json) {
    print_json(*deleted);
  } else {
    print_line("deleted " + options.name);
  }
  return 0;
}

Result<int> pause_bank(const Invocation& invocation, const BankOptions& options) {
  return change(invocation, options.name, {{"paused", true}});
}

Result<int> resume_bank(const Invocation& invocation, const BankOptions& options) {
  return change(invocation, options.name, {{"paused", false}});
}

}  // namespace soundgate
