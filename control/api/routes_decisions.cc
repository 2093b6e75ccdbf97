// Decisions: list and show what was decided.
#include <charconv>
#include <nlohmann/json.hpp>

#include "control/api/router.h"
#include "control/api/services.h"
#include "control/limits.h"
#include "control/text.h"

namespace soundgate {
namespace {

template <class Value, class Parse>
Result<void> set_word(const ApiCall& call, const char* key, std::optional<Value>& target,
                      const Parse& parse) {
  const std::string text = call.query(key);
  if (text.empty()) return {};
  target = parse(text);
  if (target) return {};
  return fail(ErrorCode::kInvalid,
              std::string(key) + " can not be '" + escape_controls(text) + "'");
}

Result<int> parse_limit(const std::string& text) {
  if (text.empty()) return kDecisionsListDefault;
  int limit = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), limit);
  const bool whole = error == std::errc{} && end == text.data() + text.size();
  if (whole && limit >= 1 && limit <= kDecisionsListMax) return limit;
  return fail(ErrorCode::kInvalid, "limit must be 1.." + std::to_string(kDecisionsListMax));
}

Result<DecisionFilter> filter_of(const ApiCall& call) {
  DecisionFilter filter;
  if (auto set = set_word(call, "verdict", filter.verdict, parse_verdict); !set) {
    return tl::unexpected(set.error());
  }
  if (auto set = set_word(call, "checked", filter.checked, parse_checked); !set) {
    return tl::unexpected(set.error());
  }
  if (const std::string since = call.query("since"); !since.empty()) {
    const auto time = parse_time(since, std::chrono::system_clock::now(), -1);
    if (!time) return fail(ErrorCode::kInvalid, "since: " + time.error());
    filter.since = *time;
  }
  filter.request_id = call.query("request_id");
  filter.after = call.query("after");
  const auto limit = parse_limit(call.query("limit"));
  if (!limit) return tl::unexpected(limit.error());
  filter.limit = *limit;
  return filter;
}

// Rows are JSON already: joined, not parsed again.
Result<ApiResponse> list(const Services& services, const ApiCall& call) {
  const auto filter = filter_of(call);
  if (!filter) return tl::unexpected(filter.error());
  const auto page = settled_decisions(services).page(*filter);
  if (!page) return tl::unexpected(page.error());
  ApiResponse response;
  response.body = "{\"decisions\":[";
  const char* separator = "";
  for (const std::string& row : page->rows) {
    response.body.append(separator).append(row);
    separator = ",";
  }
  // What is left is asked for with these.
  nlohmann::ordered_json next;
  if (!page->next.empty()) {
    next = {{"after", page->next}, {"limit", filter->limit - static_cast<int>(page->rows.size())}};
  }
  response.body += "],\"next\":" + next.dump() + "}\n";
  return response;
}

Result<ApiResponse> show(const Services& services, const ApiCall& call) {
  return settled_decisions(services).json(call.part("id")).map([](const std::string& json) {
    return ApiResponse{200, json + "\n", "application/json"};
  });
}

}  // namespace

DecisionStore& settled_decisions(const Services& services) {
  if (services.recorder != nullptr) services.recorder->settle(kSettleMax);
  return services.decisions;
}

void add_decision_routes(Router& router, const Services& services) {
  const Services* s = &services;
  router.add({"GET",
              "/v1/decisions",
              Role::kViewer,
              {"verdict", "checked", "since", "request_id", "limit", "after"},
              [s](const ApiCall& c) { return list(*s, c); }});
  router.add({"GET", "/v1/decisions/{id}", Role::kViewer, {}, [s](const ApiCall& c) {
                return show(*s, c);
              }});
}

}  // namespace soundgate
