// What supervisors ask: alive, ready, metrics.
#include <algorithm>
#include <nlohmann/json.hpp>

#include "control/api/router.h"
#include "control/api/services.h"
#include "control/limits.h"
#include "control/metrics/metrics.h"

namespace soundgate {

namespace {

Result<ApiResponse> plain(std::string text) {
  return ApiResponse{200, std::move(text), "text/plain; version=0.0.4"};
}

std::string what_is_stuck(const Services& services) {
  std::string all;
  if (services.watchdog == nullptr) return all;
  for (const std::string& part : services.watchdog->stuck()) {
    all += (all.empty() ? "stuck: " : ", ") + part;
  }
  return all;
}

// services: null while there are none.
Result<ApiResponse> livez(const Services* services) {
  const std::string stuck = services != nullptr ? what_is_stuck(*services) : "";
  if (!stuck.empty()) return fail(ErrorCode::kUnavailable, stuck);
  return plain("ok\n");
}

Route livez_route(const Services* services) {
  return {
      "GET", "/livez", Role::kViewer, {}, [services](const ApiCall&) { return livez(services); }};
}

// Degraded is ready, unless who asks has a better one to go to.
Result<ApiResponse> readyz(const Services& services, const ApiCall& call) {
  const std::string strict = call.query("strict");
  if (!strict.empty() && strict != "1") return fail(ErrorCode::kInvalid, "strict must be 1");
  if (const std::string why = why_not_ready(services); !why.empty()) {
    return fail(ErrorCode::kUnavailable, why);
  }
  const std::string why = why_degraded(services.index.status(), std::chrono::steady_clock::now());
  if (why.empty()) return plain("ok\n");
  if (!strict.empty()) return fail(ErrorCode::kUnavailable, "degraded: " + why);
  return plain("degraded: " + why + "\n");
}

}  // namespace

std::string why_not_ready(const Services& services) {
  if (services.drain != nullptr && services.drain->current().draining) {
    return "it is being drained: new uploads pass unchecked";
  }
  if (std::string stuck = what_is_stuck(services); !stuck.empty()) return stuck;
  if (services.decoders == nullptr) return "";
  const auto workers = services.decoders->status().workers;
  const bool decodes = std::any_of(workers.begin(), workers.end(),
                                   [](const auto& worker) { return worker.pid != 0; });
  return decodes ? "" : "no decoder is running";
}

std::string why_degraded(const IndexStatus& index, std::chrono::steady_clock::time_point now) {
  if (index.reference_count == 0) return "no reference is enrolled: nothing can match";
  if (!index.incomplete_since || now - *index.incomplete_since < kIndexIncompleteMax) return "";
  if (index.is_behind) {
    return "the index lacks changes that its catalogue has: start soundgated anew";
  }
  return std::to_string(index.damaged_segment_count) +
         " damaged segments of the index are not made again: see the complaints of the status";
}

void add_starting_routes(Router& router) {
  router.add(livez_route(nullptr));
  router.set_otherwise({ErrorCode::kUnavailable,
                        "soundgated is starting: it loads its index and opens its ports",
                        {}});
}

void add_health_routes(Router& router, const Services& services) {
  const Services* s = &services;
  router.add(livez_route(s));
  router.add({"GET", "/readyz", Role::kViewer, {"strict"}, [s](const ApiCall& call) {
                return readyz(*s, call);
              }});
  router.add({"GET", "/metrics", Role::kViewer, {}, [s](const ApiCall&) {
                return plain(metrics_text(*s));
              }});
}

void add_routes(Router& router, const Services& services) {
  add_bank_routes(router, services);
  add_item_routes(router, services);
  add_index_routes(router, services);
  add_fingerprint_routes(router, services);
  add_scan_routes(router, services);
  add_decision_routes(router, services);
  add_status_routes(router, services);
  add_upload_routes(router, services);
  add_traffic_routes(router, services);
  add_capture_routes(router, services);
  add_health_routes(router, services);
}

}  // namespace soundgate
