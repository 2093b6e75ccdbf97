// Where the dataplane sends the bytes of uploads, and where its decisions come from.
// One sink per lcore: every call comes from that lcore. No call may block, lock or allocate.
// Order for one key: begin, append*, then finish or nothing, then gate_closed exactly once.
// After gate_closed the key is dead; decisions for it are ignored.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

#include "dataplane/upload.h"

namespace soundgate {

enum class SinkResult : uint8_t {
  kTaken,     // go on
  kEnough,    // no more bytes of this upload are wanted (its verdict does not need them)
  kOverload,  // the bytes were not taken and the upload cannot be inspected whole
};

// What a sink has hardly any left of, for uploads to come.
enum class Scarce : uint8_t {
  kNothing,
  kDecoders,
  kPlaces,  // in which uploads are on record; without one there is no decoder either
};

class UploadSink {
 public:
  virtual ~UploadSink() = default;

  // To be asked before an upload begins. Some are kept for those who have less than others: what
  // is scarce, the gate has those give up that hardly make use of it, or have most.
  virtual Scarce scarce() { return Scarce::kNothing; }

  virtual SinkResult begin(const UploadStart& start) = 0;

  // The next body bytes, in order, each once, 1..65535 of them. The span lives only for the call.
  virtual SinkResult append(UploadKey key, std::span<const std::byte> body) = 0;

  // The whole body has been appended; the tail is held from now on (in enforce mode).
  virtual void finish(UploadKey key, WallTime last_byte) = 0;

  // The upload has left the dataplane. Without a finish before it, the body was not whole.
  virtual void gate_closed(const GateReport& report) = 0;

  // Takes up to decisions.size() decisions that wait for this lcore; returns how many.
  virtual size_t poll_decisions(std::span<GateDecision> decisions) = 0;
};

}  // namespace soundgate
