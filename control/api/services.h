// What the routes work on: the daemon's parts, or those that a command opened on a store.
#pragma once

#include <string>

#include "control/bypass.h"
#include "control/captures.h"
#include "control/config/config.h"
#include "control/decisions/decision_store.h"
#include "control/drain_switch.h"
#include "control/inspection/bank_probes.h"
#include "control/inspection/file_decoder.h"
#include "control/inspection/overload_control.h"
#include "control/inspection/recorder.h"
#include "control/inspection/refused_uploads.h"
#include "control/mode_switch.h"
#include "control/policy/fail_policy.h"
#include "control/skip_book.h"
#include "control/watchdog.h"
#include "dataplane/dataplane.h"
#include "fingerprint/decode/decoder_pool.h"
#include "index/index.h"

namespace soundgate {

class Router;

struct Services {
  Index& index;
  DecisionStore& decisions;
  FileDecoder& files;
  BankProbes& probes;
  ModeSwitch& mode;
  FailPolicy policy;
  std::string policy_version;
  // Null where there is none: a command on a store has no packets, and decodes only if it must.
  const DecoderPool* decoders = nullptr;
  Recorder* recorder = nullptr;
  const Dataplane* dataplane = nullptr;
  DrainSwitch* drain = nullptr;
  SkipBook* skips = nullptr;
  const Bypass* bypass = nullptr;
  Captures* captures = nullptr;
  const Watchdog* watchdog = nullptr;
  const OverloadControl* overload = nullptr;
  RefusedUploads* refused = nullptr;
  WallTime started{};
};

// Why uploads are not inspected now, or "".
std::string why_not_ready(const Services& services);

// Why they are inspected, but with less than all there should be; or "". Not a reason to go round.
std::string why_degraded(const IndexStatus& index, std::chrono::steady_clock::time_point now);

// The decisions, with those on all uploads that have left the gate before (kSettleMax).
DecisionStore& settled_decisions(const Services& services);

// Every route. services must outlive the router.
void add_routes(Router& router, const Services& services);
// What there is to say while the index is being loaded: alive, not ready.
void add_starting_routes(Router& router);

void add_bank_routes(Router& router, const Services& services);
void add_item_routes(Router& router, const Services& services);
void add_fingerprint_routes(Router& router, const Services& services);
void add_scan_routes(Router& router, const Services& services);
void add_decision_routes(Router& router, const Services& services);
void add_status_routes(Router& router, const Services& services);
void add_upload_routes(Router& router, const Services& services);
void add_traffic_routes(Router& router, const Services& services);
void add_capture_routes(Router& router, const Services& services);
void add_index_routes(Router& router, const Services& services);
void add_health_routes(Router& router, const Services& services);

}  // namespace soundgate
