// soundgate scan: a verdict per file, in the order given.
#include <nlohmann/json.hpp>

#include "control/cli/commands.h"
#include "control/cli/files.h"
#include "control/cli/in_order.h"
#include "control/cli/output.h"
#include "control/cli/verdict_text.h"
#include "control/text.h"

namespace soundgate {
namespace {

using Json = nlohmann::ordered_json;

constexpr int kExitMatched = 10;
constexpr int kExitUnchecked = 11;

// What the exit code depends on.
struct Tally {
  int failed = 0;
  ErrorCode failure{};
  std::optional<Action> strictest_match;
  bool unchecked = false;

  void add(const Json& verdict) {
    const std::string reason = field(verdict, "reason");
    if (reason == "match") {
      const Action action = parse_action(field(verdict, "action")).value_or(Action::kBlock);
      strictest_match = std::max(strictest_match.value_or(action), action);
    }
    // What is no audio needs no check.
    unchecked = unchecked || (field(verdict, "checked") != "full" && reason != "not_audio");
  }

  int exit_code(std::optional<Action> fail_on) const {
    if (failed > 0) return soundgate::exit_code(failure);
    if (!fail_on) return 0;
    if (strictest_match && *strictest_match >= *fail_on) return kExitMatched;
    return unchecked ? kExitUnchecked : 0;
  }
};

Result<Json> scan_file(Backend& backend, const std::string& path) {
  auto source = open_file(path);
  if (!source) return tl::unexpected(source.error());
  return backend.call({.method = "POST", .path = {"v1", "scan"}, .body = source->get()})
      .map_error([&](const Error& error) { return about_file(error, path); });
}

void print_verdict(const Invocation& invocation, const std::string& path, const Json& verdict) {
  if (!invocation.json) {
    print_line(verdict_columns(verdict) + "  " + escape_controls(path));
    return;
  }
  Json line = {{"path", path}};
  line.update(verdict);
  print_json(line);
}

}  // namespace

Result<int> scan_files(const Invocation& invocation, const ScanOptions& options) {
  std::optional<Action> fail_on;
  if (!options.fail_on.empty()) {
    fail_on = parse_action(options.fail_on);
    if (!fail_on)
      return fail(ErrorCode::kInvalid, "--fail-on: there is no action '" + options.fail_on + "'");
  }
  const InputFiles input = list_files(options.paths);
  Tally tally;
  tally.failed = input.unreadable_count;
  tally.failure = ErrorCode::kInternal;
  const auto backend = invocation.open({.file_count = input.files.size()});
  if (!backend) return tl::unexpected(backend.error());

  Progress progress(input.files.size(), !invocation.quiet);
  const auto work = [&](size_t i) { return scan_file(**backend, input.files[i].path); };
  const auto consume = [&](size_t i, const Result<Json>& verdict) {
    progress.step();
    if (verdict) {
      print_verdict(invocation, input.files[i].path, *verdict);
      tally.add(*verdict);
      return;
    }
    print_message(verdict.error().message);
    if (tally.failed++ == 0) tally.failure = verdict.error().code;
  };
  const auto threads = static_cast<size_t>((*backend)->files_at_once());
  run_in_order<Result<Json>>(input.files.size(), threads, work, consume);
  return tally.exit_code(fail_on);
}

}  // namespace soundgate
