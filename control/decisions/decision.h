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
  std::string request_id, method, host, path, client, uploader;  // of the first request
  int64_t part = 0;         // its number among the parts of a form, from 1; 0: all of the body
  std::string file_name{};  // of a part
  std::string resource{};   // "host/path" of what is uploaded in parts; "" for what is not
  uint32_t parts = 1;       // requests that brought it
  uint32_t connections = 1;
};

// A block that was certain before all of the upload had come.
struct EarlyVerdict {
  WallTime at{};
  double heard_seconds = 0;  // of audio, by then
  int64_t bytes = 0;         // of the body, by then
  bool stopped = false;      // enforcing: the upload ended there
};

struct Decision {
  std::string upload_id;  // "" for a scan
  WallTime time{};        // when the upload began
  std::string mode;       // "observe", "enforce", "scan"
  bool enforced = false;  // whether the gate did what the verdict says
  RequestSummary request;
  Verdict verdict;
  std::optional<EarlyVerdict> early;  // absent: nothing was certain before the end
  std::optional<DecodeEnd> decode;    // absent: the decoder was not heard of, or was stopped
  int64_t bytes = 0;                  // of the body, as far as it was seen
  int64_t index_version = 0;
  std::string policy_version;
  std::optional<GateReport> gate;
  std::string released_by;  // the operator who let it go before there was a verdict, or ""
  std::optional<WallTime> first_byte, last_byte, decided, released;
};

}  // namespace soundgate
