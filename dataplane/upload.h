// An upload as the dataplane names it to the room that inspects it.
// Thread: values, copied between threads.  Times: system clock, since the epoch.
#pragma once

#include <chrono>
#include <cstdint>
#include <string_view>

namespace soundgate {

using WallTime = std::chrono::system_clock::time_point;

// Unique for the life of the process; never 0 for a real upload.
enum class UploadKey : uint64_t {};

enum class Mode : uint8_t { kObserve, kEnforce };

// What the gate is told to do, or did, with the tail of an upload.
enum class FailAction : uint8_t { kPass, kFlag, kBlock };

enum class DataplaneReason : uint8_t {
  kNone,
#define REASON(name, text, action) name,
#include "dataplane/reasons.def"
#undef REASON
};

std::string_view name(DataplaneReason reason);  // "" for kNone
std::string_view text(DataplaneReason reason);

// How an upload's bytes are coded (Content-Encoding); nothing here decodes them.
enum class ContentCoding : uint8_t { kNone, kGzip, kDeflate };

// The head of an upload's request. The views live only as long as the call that brings them.
struct UploadStart {
  UploadKey key{};
  Mode mode = Mode::kObserve;  // fixed for this upload, whatever is switched while it runs
  WallTime first_byte{};       // of the request, or of the part
  std::string_view method;
  std::string_view host;
  std::string_view path;
  std::string_view client;      // "192.0.2.7:49152", "[2001:db8::7]:49152"
  std::string_view request_id;  // value of the configured header, or empty
  std::string_view uploader;    // likewise
  std::string_view content_type;
  std::string_view resource{};  // what it is a part of: "host/path"; empty for one in one request
  int64_t body_bytes = -1;      // of all of it, or -1 where nobody has said yet
  ContentCoding coding = ContentCoding::kNone;
  // Of an upload that is a part of a form: its content_type is the part's.
  uint32_t part = 0;  // its number among the parts, from 1; 0: the upload is all of the body
  std::string_view file_name{};  // as the part's head has it, or empty
  bool may_decode = true;        // false: it only goes on record, and no decoder is to be taken
};

// How the gate let go of an upload. Exactly one of these ends each upload that was begun.
enum class GateOutcome : uint8_t {
  kReleased,         // the tail was sent on, as the decision said
  kBlocked,          // the client was refused and the origin was reset, as the decision said
  kReleasedUnasked,  // let go with no decision: observe mode, a deadline, or a reason that passes
  kBlockedUnasked,   // refused with no decision: the fail policy of its reason blocks
  kAborted,          // the client or the origin left before the upload was whole
};

struct GateReport {
  UploadKey key{};
  GateOutcome outcome{};
  DataplaneReason reason =
      DataplaneReason::kNone;  // why there was no decision, where there was none
  WallTime at{};
  uint32_t parts = 1;        // requests that brought it
  uint32_t connections = 1;  // that they came over
};

// What the inspecting room answers. Thread: made by a matcher, taken by the owning lcore.
struct GateDecision {
  static constexpr size_t kUploadIdBytes = 32;
  UploadKey key{};
  bool block = false;
  // Not kNone: it goes, without a verdict, for this reason (whatever the fail policy says of it).
  DataplaneReason unchecked = DataplaneReason::kNone;
  char upload_id[kUploadIdBytes + 1] = {};  // printable, NUL-terminated: named in the 403's body
};

}  // namespace soundgate
