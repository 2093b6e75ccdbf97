// Every decision, one row per upload, and the raw items of recent uploads: STORE/decisions.db.
// Also remembers the mode, so that it survives a restart.
// Errors: Error, with the file in its message.
// Thread: any; calls are serialised inside, and a write waits for the disk: never call it from a
//   matcher or an lcore.  Durable: what a write acknowledged survives power loss (WAL, full sync).
#pragma once

#include <filesystem>
#include <memory>
#include <mutex>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "control/decisions/decision.h"
#include "control/error.h"
#include "fingerprint/fingerprint.h"

namespace soundgate {

namespace sqlite {
class Database;
}

// One decision, ready to be written.
struct DecisionRow {
  std::string upload_id;
  WallTime time{};
  VerdictKind verdict{};
  Checked checked{};
  std::string request_id;
  std::string json;         // the verdict object
  Fingerprint fingerprint;  // no items: nothing to keep
};

struct DecisionFilter {
  std::optional<VerdictKind> verdict{};
  std::optional<Checked> checked{};
  std::optional<WallTime> since{};
  std::string request_id{};
  int limit = 1000;     // the newest so many; with after, the next so many
  std::string after{};  // an upload id: what comes after it
};

// What fits into one answer: the appliance's memory is for uploads.
struct DecisionPage {
  std::vector<std::string> rows;  // JSON, newest last
  std::string next;               // to be asked for with after; "" where this is all
};

struct DecisionCounts {
  int64_t all = 0, pass = 0, flag = 0, block = 0;
};

struct ModeRecord {
  Mode mode = Mode::kObserve;
  WallTime since{};
  std::string by;
  std::string reason;
};

// Clients or hosts that pass uninspected until a time.
struct SkipRecord {
  std::string what;  // SkipRule
  WallTime until{};
  std::string by;
  std::string reason;
};

// A stretch of time in which packets went round Soundgate.
struct BypassRecord {
  WallTime began{};
  std::optional<WallTime> ended;  // absent: it goes on, as far as is known
  std::string cause;
};

// A capture of packets: what people sent, and who wanted to see it.
struct CaptureRecord {
  std::string capture_id;
  std::string client;     // CaptureFilter
  std::string upload_id;  // whose connection that is; "" where a client was asked for
  bool written = false;   // also what was sent
  WallTime began{};
  WallTime until{};
  std::string by;
  std::string reason;
  std::optional<WallTime> ended{};  // absent: it goes on, as far as is known
  std::string ended_by{};           // "time", "bytes", "stop", "reader", "shutdown", "error"
  std::string stopped_by{};
  int64_t frames = 0, lost_frames = 0, bytes = 0;
};

class DecisionStore {
 public:
  static Result<std::unique_ptr<DecisionStore>> open(const std::filesystem::path& store);
  ~DecisionStore();

  // One transaction for all; a row that is there already is replaced (late evidence).
  Result<void> write(std::span<const DecisionRow> rows);
  // Forgets items that are too old, then the oldest until all take at most bytes_max.
  Result<void> prune_items(WallTime older_than, int64_t bytes_max);

  Result<DecisionPage> page(const DecisionFilter& filter);        // kNotFound for an unknown after
  Result<std::string> json(const std::string& upload_id);         // kNotFound
  Result<Fingerprint> fingerprint(const std::string& upload_id);  // kNotFound
  DecisionCounts counts() const;

  Result<std::optional<ModeRecord>> mode();  // the latest, if it was ever set
  Result<void> set_mode(const ModeRecord& record);

  Result<std::vector<SkipRecord>> skips();  // by what
  Result<void> set_skips(std::span<const SkipRecord> skips);

  // The newest so many, newest last.
  Result<std::vector<BypassRecord>> bypasses(int limit);
  // One that is there already and is over stays as it is. The newest kBypassesKeptMax are kept.
  Result<void> add_bypasses(std::span<const BypassRecord> bypasses);

  // The newest so many, newest last.
  Result<std::vector<CaptureRecord>> captures(int limit);
  Result<void> add_capture(const CaptureRecord& capture);  // kConflict: there is one of that id
  Result<void> change_capture(const CaptureRecord& capture);

 private:
  explicit DecisionStore(std::unique_ptr<sqlite::Database> database);
  template <class Work>
  auto guarded(const Work& work) -> Result<decltype(work())>;

  mutable std::mutex mutex_;
  std::unique_ptr<sqlite::Database> database_;
  DecisionCounts counts_;
};

}  // namespace soundgate
