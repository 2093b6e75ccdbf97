// What one lcore shares with the threads that decide and record its uploads: a slot per upload and
// the rings that hand them over.
//
// A slot goes round:  lcore takes it from `free_slots`, fills the head, sets the tag, announces
// kBegun → the decoder's items reach it by its tag (matcher) → lcore announces kFinished, kClosed →
// the recorder writes the row, clears the tag and puts the slot back into `free_slots`.
//
// A verdict that stops the upload half-way is sent when it is there, and the lcore may send it
// again. Otherwise the verdict and the last byte meet in `progress`: whoever sets its bit second
// sends the decision, so that it is neither early nor waited for.
#pragma once

#include <algorithm>
#include <array>
#include <atomic>
#include <cstring>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>

#include "control/decisions/decision.h"
#include "control/decisions/upload_id.h"
#include "control/inspection/recognition.h"
#include "control/inspection/spsc_ring.h"
#include "control/limits.h"
#include "control/policy/verdict.h"
#include "dataplane/upload.h"

namespace soundgate {

// Text of bounded length that is copied without allocating.
template <size_t bytes_max>
class FixedText {
 public:
  FixedText& operator=(std::string_view text) {
    bytes_ = std::min(text.size(), bytes_max);
    std::memcpy(text_.data(), text.data(), bytes_);
    return *this;
  }
  std::string_view view() const { return {text_.data(), bytes_}; }

 private:
  std::array<char, bytes_max> text_;
  size_t bytes_ = 0;
};

// What the matcher found out about an upload.
struct Finding {
  Verdict verdict;
  std::optional<EarlyVerdict> early;
  std::optional<DecodeEnd> end;  // absent: stopped before
  Fingerprint fingerprint;
  int64_t index_version = 0;
  WallTime at{};
};

struct UploadSlot {
  // The head: written by the lcore before it announces kBegun, then read by anyone until the
  // recorder frees the slot.
  UploadKey key{};
  Mode mode{};
  WallTime first_byte{};
  int64_t body_bytes = -1;
  UploadId upload_id{};
  bool refused = false;  // no decoder had room: there are no items to wait for
  FixedText<kMethodBytes> method;
  FixedText<kHostBytes> host;
  FixedText<kPathBytes> path;
  FixedText<kClientBytes> client;
  FixedText<kHeaderValueBytes> request_id;
  FixedText<kHeaderValueBytes> uploader;
  uint32_t part = 0;
  FixedText<kHeaderValueBytes> file_name;
  FixedText<kPathBytes> resource;  // of which it is a part, or which it is; or empty

  std::atomic<uint64_t> tag{
      0};  // of the stream; 0: free. Set by the lcore, cleared by the recorder
  std::atomic<int64_t> bytes{0};  // appended so far; written by the lcore

  static constexpr uint8_t kFinished = 1;      // the lcore has seen the last byte
  static constexpr uint8_t kVerdictReady = 2;  // the matcher has decided
  static constexpr uint8_t kAbandoned = 4;     // the lcore could not hand every byte over
  std::atomic<uint8_t> progress{0};
  std::atomic<bool> blocks{false};  // the verdict; set before kVerdictReady

  std::mutex mutex;  // of what follows: matcher and recorder, never the lcore
  std::unique_ptr<Recognition> recognition;  // absent while the matcher is at it
  std::optional<EarlyVerdict> early;         // certain, and not stopped: observed
  bool told_candidate = false;               // that there is one: UploadMatcher
  std::optional<Finding> finding;
  std::string released_by;  // the operator who let it go, or ""
};

struct UploadEvent {
  enum class Kind : uint8_t { kBegun, kFinished, kClosed };
  Kind kind{};
  uint16_t slot_index = 0;
  bool end_follows = false;  // kClosed: the decoder will still say how it ended
  WallTime last_byte{};      // kFinished
  GateReport report{};       // kClosed
};

class UploadChannel {
 public:
  explicit UploadChannel(size_t channel_index)
      : lcore_index(channel_index), slots(std::make_unique<UploadSlot[]>(kUploadSlotsPerLcore)) {
    for (size_t i = 0; i < kUploadSlotsPerLcore; ++i) free_slots.push(static_cast<uint16_t>(i));
  }

  const size_t lcore_index;
  const std::unique_ptr<UploadSlot[]> slots;
  SpscRing<UploadEvent> events{kEventRingEntries};         // lcore → recorder
  SpscRing<uint16_t> free_slots{kFreeRingEntries};         // recorder → lcore
  SpscRing<GateDecision> decisions{kDecisionRingEntries};  // matchers → lcore
  std::mutex decisions_mutex;                              // of those who push, never the lcore
  std::atomic<uint64_t> unrecorded{0};                     // uploads for which no slot was free
};

GateDecision gate_decision(const UploadSlot& slot);

}  // namespace soundgate
