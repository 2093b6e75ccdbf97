// Scan: the verdict on a file, as if it were uploaded. Nothing is recorded.
#include <memory>
#include <nlohmann/json.hpp>
#include <semaphore>

#include "control/api/router.h"
#include "control/api/services.h"
#include "control/decisions/verdict_json.h"
#include "control/limits.h"
#include "control/policy/policy.h"

namespace soundgate {
namespace {

// Lookers' files that are decoded at a time: however slowly they send them, a decoder is left for
// those who enrol.
using Turns = std::counting_semaphore<kControlStreams>;
constexpr int kLookersAtOnce = kControlStreams / 2;
static_assert(kLookersAtOnce >= 1 && kLookersAtOnce < kControlStreams);

// Held while a looker's file is decoded; whoever may do more waits for nobody here.
class Turn {
 public:
  Turn(Turns& turns, Role role) : turns_(role <= Role::kViewer ? &turns : nullptr) {
    if (turns_ != nullptr) turns_->acquire();
  }
  ~Turn() {
    if (turns_ != nullptr) turns_->release();
  }
  Turn(const Turn&) = delete;
  Turn& operator=(const Turn&) = delete;

 private:
  Turns* turns_;
};

Result<ApiResponse> scan(const Services& services, Turns& lookers, const ApiCall& call) {
  if (call.request.body == nullptr)
    return fail(ErrorCode::kInvalid, "there is no file in the request");
  const Turn turn(lookers, call.request.role);
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
  const auto lookers = std::make_shared<Turns>(kLookersAtOnce);
  router.add({"POST", "/v1/scan", Role::kViewer, {}, [s, lookers](const ApiCall& c) {
                return scan(*s, *lookers, c);
              }});
}

}  // namespace soundgate
