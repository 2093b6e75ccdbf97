// Scan: the verdict on a file, as if it were uploaded. Nothing is recorded.
#include <nlohmann/json.hpp>

#include "control/api/router.h"
#include "control/api/services.h"
#include "control/decisions/verdict_json.h"
#include "control/policy/policy.h"

namespace soundgate {
namespace {

Result<ApiResponse> scan(const Services& services, const ApiCall& call) {
  if (call.request.body == nullptr)
    return fail(ErrorCode::kInvalid, "there is no file in the request");
  auto file = services.files.decode(*call.request.body, {.matches = true});
  if (!file) return tl::unexpected(file.error());
  Decision decision;
  decision.time = file->first_byte;
  decision.mode = "scan";
  decision.verdict = judge(std::move(file->found.matches), file->end, services.policy);
  decision.decode = file->end;
  decision.bytes = file->bytes;
  decision.index_version = file->found.index_version;
  decision.policy_version = services.policy_version;
  decision.first_byte = file->first_byte;
  decision.last_byte = file->last_byte;
  decision.decided = file->decided;
  return json_response(verdict_json(decision));
}

}  // namespace

void add_scan_routes(Router& router, const Services& services) {
  const Services* s = &services;
  router.add(
      {"POST", "/v1/scan", Role::kViewer, {}, [s](const ApiCall& c) { return scan(*s, c); }});
}

}  // namespace soundgate
