// The record of one upload: what it was, what was decided, why, and when.
// A value; the recorder makes it from an upload that has left the gate, a scan from a file.
#pragma once

#include <optional>
#include <string>

#include "control/policy/verdict.h"
#include "dataplane/upload.h"
#include "fingerprint/decode/decoder_pool.h"

namespace soundgate {

struct RequestSummary {
  std::string request_id, method, host, path, client, uploader;
};

struct Decision {
  std::string upload_id;  // "" for a scan
  WallTime time{};        // when the upload began
  std::string mode;       // "observe", "enforce", "scan"
  bool enforced = false;  // whether the gate did what the verdict says
  RequestSummary request;
  Verdict verdict;
  std::optional<DecodeEnd> decode;  // absent: the decoder was not heard of
  int64_t bytes = 0;                // of the body, as far as it was seen
  int64_t index_version = 0;
  std::string policy_version;
  std::optional<GateReport> gate;
  std::optional<WallTime> first_byte, last_byte, decided, released;
};

}  // namespace soundgate
