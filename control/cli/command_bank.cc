// soundgate bank: create, set, list, pause, resume, delete.
#include <CLI/CLI.hpp>
#include <nlohmann/json.hpp>

#include "control/cli/invocation.h"
#include "control/cli/output.h"

namespace soundgate {
namespace {

using Json = nlohmann::ordered_json;

struct BankOptions {
  std::string name, action, probes;
  std::optional<double> seconds_min;
  bool force = false;
};

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
    table.add({field(bank, "name"), field(bank, "action"), field(bank, "probes"), seconds_text(bank),
               field(bank, "references"), bank.value("paused", false) ? "paused" : "live"});
  }
  if (!invocation.json) table.print();
}

Result<int> finish(const Invocation& invocation, const Result<Json>& bank) {
  if (!bank) return tl::unexpected(bank.error());
  print_banks(invocation, Json::array({*bank}));
  return 0;
}

Result<int> create(const Invocation& invocation, const BankOptions& options) {
  auto backend = invocation.open({.create = true});
  if (!backend) return tl::unexpected(backend.error());
  Json body = settings_json(options);
  body["name"] = options.name;
  return finish(invocation,
                (*backend)->call({.method = "POST", .path = {"v1", "banks"}, .query = {}}, body));
}

Result<int> change(const Invocation& invocation, const std::string& name, const Json& body) {
  auto backend = invocation.open();
  if (!backend) return tl::unexpected(backend.error());
  return finish(invocation,
                (*backend)->call({.method = "PATCH", .path = {"v1", "banks", name}, .query = {}}, body));
}

Result<int> set(const Invocation& invocation, const BankOptions& options) {
  const Json body = settings_json(options);
  if (!body.empty()) return change(invocation, options.name, body);
  return fail(ErrorCode::kInvalid, "there is nothing to set: --action, --probes or --min-seconds is missing");
}

Result<int> list(const Invocation& invocation) {
  auto backend = invocation.open();
  if (!backend) return tl::unexpected(backend.error());
  const auto banks = (*backend)->call({.method = "GET", .path = {"v1", "banks"}, .query = {}});
  if (!banks) return tl::unexpected(banks.error());
  print_banks(invocation, banks->at("banks"));
  return 0;
}

Result<int> remove(const Invocation& invocation, const BankOptions& options) {
  auto backend = invocation.open();
  if (!backend) return tl::unexpected(backend.error());
  BackendRequest request{.method = "DELETE", .path = {"v1", "banks", options.name}, .query = {}};
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

void add_settings(CLI::App& command, BankOptions& options) {
  command.add_option("--action", options.action, "allow, track, label, demote, hold_review or block");
  command.add_option("--probes", options.probes, "off, near or wide");
  command.add_option("--min-seconds", options.seconds_min, "Matched audio from which the action counts");
}

}  // namespace

void add_bank_commands(CLI::App& app, Invocation& invocation) {
  auto options = std::make_shared<BankOptions>();
  auto* group = app.add_subcommand("bank", "Sets of references, and what a match with one does");
  group->require_subcommand(1);
  const auto add = [&](const char* name, const char* help, auto run) {
    auto* command = group->add_subcommand(name, help);
    command->callback([&invocation, options, run] {
      invocation.command = [&invocation, options, run] { return run(invocation, *options); };
    });
    return command;
  };
  const auto add_named = [&](const char* name, const char* help, auto run) {
    auto* command = add(name, help, run);
    command->add_option("NAME", options->name, "Bank")->required();
    return command;
  };
  add_settings(*add_named("create", "Make a bank (hold_review, off, 10 s)", create), *options);
  add_settings(*add_named("set", "Change a bank's settings", set), *options);
  add("list", "All banks", [](const Invocation& i, const BankOptions&) { return list(i); });
  add_named("pause", "Look for no matches with it", [](const Invocation& i, const BankOptions& o) {
    return change(i, o.name, {{"paused", true}});
  });
  add_named("resume", "Look for matches again", [](const Invocation& i, const BankOptions& o) {
    return change(i, o.name, {{"paused", false}});
  });
  add_named("delete", "Delete a bank", remove)
      ->add_flag("--force", options->force, "Even if it has references");
}

}  // namespace soundgate
