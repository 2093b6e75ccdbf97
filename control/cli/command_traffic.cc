// soundgate drain, undrain, skip, bypass: what passes uninspected, and since when.
#include <chrono>
#include <nlohmann/json.hpp>
#include <thread>

#include "control/cli/commands.h"
#include "control/cli/output.h"
#include "control/text.h"

namespace soundgate {
namespace {

using Json = nlohmann::ordered_json;
using SteadyClock = std::chrono::steady_clock;

constexpr auto kLookPeriod = std::chrono::milliseconds(100);
constexpr int kExitUnavailable = 6;

Result<Json> put_drain(Backend& backend, bool draining, const std::string& reason) {
  return backend.call({.method = "PUT", .path = {"v1", "drain"}},
                      {{"draining", draining}, {"reason", reason}});
}

std::string drain_text(const Json& drain) {
  if (!drain.value("draining", false)) return "uploads are inspected";
  return "new uploads pass unchecked, since " + field(drain, "since") + ", by " +
         field(drain, "by");
}

// How many uploads are still in flight when the time is up.
Result<int64_t> wait_until_drained(Backend& backend, SteadyClock::time_point deadline) {
  for (;;) {
    const auto status = backend.call({.method = "GET", .path = {"v1", "status"}});
    if (!status) return tl::unexpected(status.error());
    const auto left = static_cast<int64_t>(number_field(status->at("drain"), "uploads_in_flight"));
    if (left == 0 || SteadyClock::now() >= deadline) return left;
    std::this_thread::sleep_for(kLookPeriod);
  }
}

void print_skips(const Invocation& invocation, const Json& skips) {
  Table table({"CLIENT OR HOST", "UNTIL", "BY", "REASON"});
  for (const Json& skip : skips) {
    if (invocation.json) print_json(skip);
    table.add(
        {field(skip, "what"), field(skip, "until"), field(skip, "by"), field(skip, "reason")});
  }
  if (!invocation.json) table.print();
}

}  // namespace

Result<int> drain(const Invocation& invocation, const DrainOptions& options) {
  const auto now = std::chrono::system_clock::now();
  const auto until = parse_time(options.wait.empty() ? "0s" : options.wait, now, 1);
  if (!until) return fail(ErrorCode::kInvalid, "--wait: " + until.error());
  auto backend = invocation.open();
  if (!backend) return tl::unexpected(backend.error());
  auto record = put_drain(**backend, true, options.reason);
  if (!record) return tl::unexpected(record.error());
  const auto left = wait_until_drained(**backend, SteadyClock::now() + (*until - now));
  if (!left) return tl::unexpected(left.error());
  (*record)["uploads_in_flight"] = *left;
  if (invocation.json) {
    print_json(*record);
  } else {
    print_line(drain_text(*record) + "; " + std::to_string(*left) + " uploads are in flight");
  }
  const bool waited_in_vain = !options.wait.empty() && *left > 0;
  return waited_in_vain ? kExitUnavailable : 0;
}

Result<int> undrain(const Invocation& invocation) {
  auto backend = invocation.open();
  if (!backend) return tl::unexpected(backend.error());
  const auto record = put_drain(**backend, false, "");
  if (!record) return tl::unexpected(record.error());
  if (invocation.json) {
    print_json(*record);
  } else {
    print_line(drain_text(*record));
  }
  return 0;
}

Result<int> list_bypasses(const Invocation& invocation) {
  auto backend = invocation.open();
  if (!backend) return tl::unexpected(backend.error());
  const auto bypasses = (*backend)->call({.method = "GET", .path = {"v1", "bypasses"}});
  if (!bypasses) return tl::unexpected(bypasses.error());
  Table table({"BEGAN", "ENDED", "FOR", "CAUSE"});
  for (const Json& bypass : bypasses->at("bypasses")) {
    if (invocation.json) print_json(bypass);
    table.add({field(bypass, "began"), field(bypass, "ended"),
               short_duration(number_field(bypass, "seconds")), field(bypass, "cause")});
  }
  if (!invocation.json) table.print();
  return 0;
}

Result<int> add_skip(const Invocation& invocation, const SkipOptions& options) {
  auto backend = invocation.open();
  if (!backend) return tl::unexpected(backend.error());
  const auto skip = (*backend)->call(
      {.method = "POST", .path = {"v1", "skips"}},
      {{"what", options.what}, {"until", options.until}, {"reason", options.reason}});
  if (!skip) return tl::unexpected(skip.error());
  print_skips(invocation, Json::array({*skip}));
  return 0;
}

Result<int> list_skips(const Invocation& invocation) {
  auto backend = invocation.open();
  if (!backend) return tl::unexpected(backend.error());
  const auto skips = (*backend)->call({.method = "GET", .path = {"v1", "skips"}});
  if (!skips) return tl::unexpected(skips.error());
  print_skips(invocation, skips->at("skips"));
  return 0;
}

Result<int> remove_skip(const Invocation& invocation, const SkipOptions& options) {
  auto backend = invocation.open();
  if (!backend) return tl::unexpected(backend.error());
  const auto removed =
      (*backend)->call({.method = "DELETE", .path = {"v1", "skips", options.what}});
  if (!removed) return tl::unexpected(removed.error());
  if (invocation.json) print_json(*removed);
  return 0;
}

}  // namespace soundgate
