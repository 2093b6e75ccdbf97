// Captures of what passes, for operators: who has asked for which, and why, stands in the decision
// log before the first frame leaves; one at a time.
// A capture is a stream that the caller reads at its own pace, and ends with its time, its bytes,
// by stop(), by shut_down(), or when the caller goes.
// Thread: any; the stream belongs to one.  Errors: Error; what cannot be written down is not done.
#pragma once

#include <condition_variable>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "control/byte_source.h"
#include "control/decisions/decision_store.h"
#include "control/error.h"
#include "dataplane/dataplane.h"

namespace soundgate {

struct CaptureRequest {
  std::string capture_id;  // as the caller wants to name it; unlike any before
  std::string client;      // parse_capture_filter()
  std::string upload_id;   // whose connection it is; "" where the client was asked for
  WallTime until{};
  int64_t bytes_max = 0;
  size_t frame_bytes_max = 0;
  bool written = false;  // also what is sent
  std::string by;
  std::string reason;
};

class Captures {
 public:
  Captures(Dataplane& dataplane, DecisionStore& store) : dataplane_(dataplane), store_(store) {}
  Captures(const Captures&) = delete;
  Captures& operator=(const Captures&) = delete;
  ~Captures() { shut_down(); }  // no stream may be left

  // kInvalid; kConflict: one runs, or that id is taken; kUnavailable: the dataplane cannot.
  Result<std::shared_ptr<ByteSource>> begin(const CaptureRequest& request);
  // Ends the stream, after what has been captured; kNotFound: no such capture runs.
  Result<CaptureRecord> stop(const std::string& capture_id, const std::string& by);
  std::optional<CaptureRecord> running() const;  // with its counts up to now
  // Ends the one that runs, waits a while until its reader has it, and begins no other.
  void shut_down();

 private:
  class Stream;

  static Result<void> check(const CaptureRequest& request);
  CaptureRecord counted() const;
  void record_end(const CaptureRecord& record);

  Dataplane& dataplane_;
  DecisionStore& store_;
  mutable std::mutex mutex_;
  std::condition_variable changed_;  // something is to end, or has
  bool shut_down_ = false;
  std::optional<CaptureRecord> running_;
  const PacketCapture* capture_ = nullptr;  // of running_, until it has ended
  std::string end_wanted_;                  // of running_: why, or ""
  std::string stopped_by_;                  // by whom, where somebody has
};

}  // namespace soundgate
