// The configuration of soundgated: every key of deploy/soundgate.toml, checked and typed.
// Errors: one line each, "FILE:LINE: key gate.hold_max_ms: must be 1..600000, is -5"; what is not
//   known is refused, never ignored.
// Thread: a value.  Source: TOML 1.0 (toml++).
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <optional>
#include <string>
#include <tl/expected.hpp>

#include "control/api/roles.h"
#include "control/decisions/decision.h"
#include "control/policy/fail_policy.h"
#include "dataplane/dataplane.h"
#include "fingerprint/decode/decoder_pool.h"

namespace soundgate {

struct DecisionLimits {
  int keep_items_days = 7;
  int64_t keep_items_mib = 2048;
};

int default_match_threads();  // by the machine's cores

DecoderPool::Options default_decoder();

struct Config {
  std::filesystem::path store = "/var/lib/soundgate";
  std::filesystem::path socket = "/run/soundgate/control.sock";
  int connections_max = 16;
  std::optional<unsigned> socket_group;  // of the socket's file; none: the process's own
  RoleGroups role_groups;

  // Absent: no packets, the socket only. mode is what [mode] default says.
  std::optional<DataplaneConfig> dataplane;
  Mode mode = Mode::kObserve;
  FailPolicy fail_policy;

  // producer_count is left to the wiring
  DecoderPool::Options decoder = default_decoder();
  double false_positives_per_upload = kFalsePositivesPerUpload;  // 1e-12..1e-2
  bool early_verdict = true;  // an upload is stopped as soon as a block is certain
  int match_threads = default_match_threads();
  CoverageSettings coverage;                            // of uploads
  double probes_cpu_share = ProbeSettings{}.cpu_share;  // of what decoding costs
  int index_keep_days = 7;                              // what was removed can be rolled back to
  DecisionLimits decisions;
  std::string log_level = "info";

  std::string policy_version = "default";  // changes with what the file says

  // Called with each decision on an upload, by the thread that records it; not in the file.
  std::function<void(const Decision&)> on_decision;
};

tl::expected<Config, std::string> load_config(const std::filesystem::path& file);

// What the configuration says, on a capture instead of its ports. Error: it has no [dataplane].
tl::expected<void, std::string> replay_instead(Config& config, const std::string& capture_file);

}  // namespace soundgate
