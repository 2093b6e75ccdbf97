// Follows every upload from its first byte to its row in the decision store.
// Input: the lcores' events, the matcher's verdicts.  Output: rows, log lines, freed slots, and a
//   view of the uploads in flight.
// An upload is recorded when its gate is closed and its verdict is there; one that was let go for
// a reason (a deadline, …) at once, and its row is completed when the verdict comes late.
// Thread: its own writes, and waits for the disk; views may be taken from any thread.
// Errors: rows that cannot be written are kept (kPendingRowsMax) and tried again each second.
#pragma once

#include <array>
#include <atomic>
#include <chrono>
#include <condition_variable>
#include <functional>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "control/config/config.h"
#include "control/decisions/decision_store.h"
#include "control/inspection/refused_uploads.h"
#include "control/inspection/upload_channel.h"
#include "control/inspection/upload_record.h"

namespace soundgate {

// An upload that has not left yet.
struct UploadInFlight {
  std::string upload_id;
  std::string state;        // "receiving", "deciding" (observe), "held" (enforce)
  std::string waiting_for;  // "bytes", "verdict", "gate"
  std::string mode, client, method, host, path, request_id;
  int64_t bytes = 0;
  int64_t body_bytes = -1;
  WallTime first_byte{};
  double held_seconds = 0;
};

struct RecorderCounters {
  uint64_t uploads_in_flight = 0, receiving = 0, deciding = 0, held = 0;
  uint64_t unrecorded = 0;
  std::array<std::array<uint64_t, 3>, 3> verdicts{};  // by VerdictKind, then Checked; since start
  uint64_t early_stopped = 0, early_observed = 0;     // blocks that were certain before the end
  uint64_t early_spared_bytes = 0;                    // of bodies, that were still to come
  double decide_seconds_sum = 0;                      // from the last byte to the verdict
  uint64_t decide_count = 0;
};

class Recorder {
 public:
  static constexpr size_t kPendingRowsMax = 100000;

  struct Settings {
    FailPolicy policy;
    std::string policy_version;
    DecisionLimits limits;
    RefusedUploads* refused = nullptr;  // is told of blocked uploads in parts
    // Called with each decision once, by the recorder's thread; null where nobody wants to know.
    std::function<void(const Decision&)> on_decision = nullptr;
  };
  Recorder(DecisionStore& store, const std::vector<std::unique_ptr<UploadChannel>>& channels,
           Settings settings);
  ~Recorder();  // stops

  void start();
  void stop();  // lcores and matchers have stopped: writes what is left

  // Returns when the rows of all uploads are written whose gate closed before the call, or their
  // verdict is not there in time, or the rows cannot be written. Thread: any.
  void settle(std::chrono::milliseconds patience);

  void verdict_ready(uint64_t tag);       // called by the matcher
  void trouble(const std::string& what);  // with the decoders, for the log; by their collector
  std::vector<UploadInFlight> in_flight() const;
  // An operator's decision to let it go, unchecked. kNotFound: it is not in flight; kConflict:
  // nothing of it is held, since it is observed.
  Result<UploadInFlight> release(const std::string& upload_id, const std::string& by);
  RecorderCounters counters() const;
  uint64_t rounds() const { return rounds_.load(std::memory_order_relaxed); }  // of its thread

 private:
  void run();
  void turn();  // one round: everything that is there now
  void drain_events(size_t lcore_index);
  void drain_verdicts();
  void close(size_t lcore_index, uint16_t slot_index);
  bool awaits_verdict(uint64_t closed_max) const;
  void record(size_t lcore_index, uint16_t slot_index, bool last);
  void count(const Decision& decision, int64_t body_bytes);
  void note_refusal(const Decision& decision, UploadKey key);
  void free_slot(size_t lcore_index, uint16_t slot_index);
  static Result<UploadInFlight> let_go(UploadChannel& channel, UploadSlot& slot,
                                       const UploadTrail& trail, const std::string& by);
  void log_troubles();
  void make_rows();
  void write_pending();
  void note_written(uint64_t rows, bool somebody_waits);
  void prune();

  DecisionStore& store_;
  const std::vector<std::unique_ptr<UploadChannel>>& channels_;
  const Settings settings_;

  mutable std::mutex mutex_;  // of the members up to the next empty line
  std::condition_variable wake_;
  std::condition_variable settled_;  // after each round that was asked for, or wrote rows
  bool running_ = false;
  bool stopping_ = false;
  uint64_t looks_wanted_ = 0;  // by who waits for rows
  uint64_t looks_taken_ = 0;   // so many were wanted when the events were last looked at
  uint64_t closed_ = 0;        // uploads whose gate has closed
  uint64_t rows_made_ = 0;
  uint64_t rows_written_ = 0;
  std::vector<uint64_t> verdicts_;                // tags whose finding is ready
  std::vector<std::string> troubles_;             // not logged yet
  std::vector<std::vector<UploadTrail>> trails_;  // by lcore and slot
  RecorderCounters counters_;

  // The recorder thread's own from here on.
  struct Recorded {
    Decision decision;
    Fingerprint fingerprint;
    bool again = false;  // the row is there already
  };
  std::vector<Recorded> recorded_;    // in this turn
  std::vector<DecisionRow> pending_;  // to be written
  std::atomic<uint64_t> rounds_{0};
  std::chrono::steady_clock::time_point retry_at_{};
  std::chrono::steady_clock::time_point prune_at_{};
  std::thread thread_;
};

}  // namespace soundgate
