// What supervisors ask: alive, ready, metrics.
#include <nlohmann/json.hpp>

#include "control/api/router.h"
#include "control/api/services.h"
#include "control/metrics/metrics.h"

namespace soundgate {

void add_health_routes(Router& router, const Services& services) {
  const Services* s = &services;
  const auto plain = [](std::string text) -> Result<ApiResponse> {
    return ApiResponse{200, std::move(text), "text/plain; version=0.0.4"};
  };
  router.add(
      {"GET", "/livez", Role::kViewer, {}, [plain](const ApiCall&) { return plain("ok\n"); }});
  // The socket answers only once the index is loaded and the packets flow.
  router.add(
      {"GET", "/readyz", Role::kViewer, {}, [plain](const ApiCall&) { return plain("ok\n"); }});
  router.add({"GET", "/metrics", Role::kViewer, {}, [plain, s](const ApiCall&) {
                return plain(metrics_text(*s));
              }});
}

void add_routes(Router& router, const Services& services) {
  add_bank_routes(router, services);
  add_item_routes(router, services);
  add_fingerprint_routes(router, services);
  add_scan_routes(router, services);
  add_decision_routes(router, services);
  add_status_routes(router, services);
  add_health_routes(router, services);
}

}  // namespace soundgate
