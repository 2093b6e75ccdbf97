// The index: banks of references on disk (the catalogue), and the search over them in memory.
// A store is a directory; one process at a time has it open.
// Errors: IndexError, with a sentence that says what and where.
// Thread: any; writes are serialised inside. A MatchSession belongs to one thread at a time and
//   sees, when it finishes, every change that was acknowledged before.
// Durable: a write that returned survives kill -9 and power loss.
#pragma once

#include <chrono>
#include <cstdint>
#include <cstdio>
#include <filesystem>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <tl/expected.hpp>
#include <variant>
#include <vector>

#include "fingerprint/fingerprint.h"
#include "index/bank.h"
#include "index/match.h"

namespace soundgate {

struct IndexError {
  enum class Kind : uint8_t { kNotFound, kConflict, kInUse, kInvalid, kCorrupt, kInputOutput };
  Kind kind;
  std::string message;
};
template <class T>
using IndexResult = tl::expected<T, IndexError>;

struct Suppression {
  std::string reason;
  std::optional<std::chrono::system_clock::time_point> until;
};

struct Reference {
  std::string bank;
  std::string content_id;
  std::string title;
  std::string metadata_json = "{}";  // a JSON object
  double duration_seconds = 0;
  double indexed_seconds = 0;  // of informative audio, that can be found again
  std::chrono::system_clock::time_point enrolled{};
  std::optional<Suppression> suppression;
};

struct EnrollRequest {
  std::string bank;
  std::string content_id;  // enrolling the same one again replaces it
  std::string title;
  std::string metadata_json = "{}";
  Fingerprint fingerprint;
  std::optional<Suppression> suppression;  // where there is none of it yet
};

struct EnrollResult {
  bool replaced = false;
  double duration_seconds = 0;
  double indexed_seconds = 0;
  std::vector<std::string>
      warnings;  // "short", "low_information", "overlaps CONTENT_ID", "suppressed"
};

// A reference with its items, to be enrolled elsewhere.
struct ExportedReference {
  Reference reference;
  Fingerprint fingerprint;
};

// Matches one upload while its items arrive.
class MatchSession {
 public:
  virtual ~MatchSession() = default;
  // Where first_item jumps ahead, audio is missing.
  virtual void append(uint32_t first_item, std::span<const Item> items) = 0;
  // Items of another view of the same audio (fingerprint.h): of a band, or of a probe, which is
  // matched only against banks whose probes cover it.
  virtual void append_view(int view, uint32_t first_item, std::span<const Item> items) = 0;
  // After each append: what has become certain by now, of banks that ask for `least` or more; all
  // that was found so far, whenever something new is, else nothing. Mostly there is nothing to look
  // at, and it costs nothing. Whatever audio follows, finish() tells these matches too, with as
  // many matched seconds or more, unless they are removed, suppressed or paused until then.
  virtual std::vector<Match> decisive(Action least) = 0;
  // After each append: whether what has come since the last time speaks for a reference of any
  // bank, more than unrelated audio mostly does (kChanceCandidates in a minute of it), though it
  // may not be certain. Who asks has what comes searched at once, and more closely: for uploads of
  // which little comes.
  virtual bool has_candidate() = 0;
  // The matches, strictest action first, then longest. The session is over.
  virtual std::vector<Match> finish() = 0;
  // Of the index that finish() asked, or decisive() when it found something; 0 before.
  virtual int64_t index_version() const = 0;
};

struct IndexStatus {
  int64_t version = 0;  // grows with every acknowledged change
  int64_t bank_count = 0, reference_count = 0, suppressed_count = 0, window_count = 0;
  double reference_seconds = 0;
  int64_t segment_count = 0;
  int64_t unreadable_count = 0;  // items that could not be read when a match wanted them
  // Segment files that were damaged or missing, or could not be written: how often, since the store
  // was opened, and the latest of it.
  int64_t complaint_count = 0;
  std::vector<std::string> complaints;

  // What a search does not see of the catalogue, and since when that has been noticed.
  int64_t damaged_segment_count = 0;  // parts of segments, until they are made again
  bool is_behind = false;             // changes that are on disk, until the store is opened anew
  std::optional<std::chrono::steady_clock::time_point> incomplete_since;
};

// What is looked at by who keeps an index running: its segments, and how far back one can go.
struct SegmentStatus {
  std::string file;  // "" in memory
  int64_t windows = 0, dead_windows = 0, lists = 0, bytes = 0;
  int64_t one_band_references = 0;  // live ones, enrolled by Chromaprint's fingerprint alone
  bool damaged = false;             // it is being made again
};
struct IndexUpkeep {
  std::vector<SegmentStatus> segments;
  int64_t catalogue_bytes = 0;
  int64_t oldest_version = 0;  // that can be rolled back to
  std::optional<std::chrono::system_clock::time_point> oldest_version_made;
  int64_t kept_count = 0;  // references that are gone, and kept for a rollback
  std::optional<std::chrono::system_clock::time_point> merged, verified;  // the latest
  int64_t verified_damage_count = 0;
};

// A version, or the newest one that there was at a time.
using VersionOrTime = std::variant<int64_t, std::chrono::system_clock::time_point>;

struct RollbackItem {
  std::string bank, content_id, title;
};
// What a rollback did, or would do. One that was replaced since goes, and returns as it was.
struct RollbackReport {
  int64_t to = 0;       // the version whose banks and references are there again
  int64_t version = 0;  // that the rollback made; the newest there was, where it changed nothing
  int64_t goes_count = 0, returns_count = 0;
  std::vector<RollbackItem> goes, returns;  // the first kRollbackListMax of each
  std::vector<Bank> banks_gone, banks_returned, banks_changed;  // the last two as they are to be
};

struct Damage {
  std::string where;  // a file, and a place in it
  std::string what;
};
struct VerifyReport {
  int64_t segment_count = 0, segment_bytes = 0;  // in files
  int64_t reference_count = 0;                   // whose items were read, kept ones included
  int64_t damage_count = 0;
  std::vector<Damage> damage;  // the first kDamageListMax
  int64_t rebuilt_count = 0;   // segments, made again of the catalogue
};

class Index {
 public:
  struct Options {
    bool create = false;  // make the store if there is none; otherwise kNotFound
    std::string owner;    // named to the one who finds the store in use: "soundgated"
    // False matches to be expected of one unrelated upload: match.h. 1e-12..1e-2
    double false_positives_per_upload = kFalsePositivesPerUpload;
    // How long what was removed or replaced can be rolled back to. Without it nothing is forgotten.
    std::optional<std::chrono::seconds> keep = std::nullopt;
  };
  static IndexResult<std::unique_ptr<Index>> open(const std::filesystem::path& store,
                                                  const Options& options);
  virtual ~Index() = default;

  virtual IndexResult<void> create_bank(const Bank& bank) = 0;  // kConflict if the name is taken
  virtual IndexResult<void> set_bank(const Bank& bank) = 0;     // by name; settings only
  // Without force, a bank that has references is kConflict.
  virtual IndexResult<void> delete_bank(std::string_view name, bool force) = 0;
  virtual IndexResult<Bank> bank(std::string_view name) const = 0;
  virtual std::vector<Bank> banks() const = 0;  // by name

  virtual IndexResult<EnrollResult> enroll(const EnrollRequest& request) = 0;
  // The same one after the other, in one durable write, without looking for overlaps. A result for
  // each: a bad request does not keep the others out; a failing disk keeps out all of them.
  virtual std::vector<IndexResult<EnrollResult>> enroll_all(
      std::span<const EnrollRequest> requests) = 0;
  virtual IndexResult<std::vector<Reference>> references(std::string_view bank) const = 0;
  virtual IndexResult<Reference> reference(std::string_view bank,
                                           std::string_view content_id) const = 0;
  // The one whose content id follows this one ("": the first), none behind the last. So all of a
  // bank can be had, one at a time, while it changes.
  virtual IndexResult<std::optional<ExportedReference>> reference_after(
      std::string_view bank, std::string_view content_id) const = 0;
  virtual IndexResult<void> remove(std::string_view bank, std::string_view content_id) = 0;
  // Takes effect at once, for uploads in flight too; outlives re-enrolment.
  virtual IndexResult<void> suppress(std::string_view bank, std::string_view content_id,
                                     const Suppression& suppression) = 0;
  virtual IndexResult<void> restore(std::string_view bank, std::string_view content_id) = 0;

  virtual std::unique_ptr<MatchSession> match() const = 0;
  virtual IndexStatus status() const = 0;

  virtual IndexResult<IndexUpkeep> upkeep() const = 0;
  // Makes banks and references what they were; suppressions stay. It is a version of its own, and
  // can be rolled back itself. kNotFound for a version that is not kept any more, or not there yet.
  virtual IndexResult<RollbackReport> rollback(const VersionOrTime& to, bool dry_run) = 0;
  // Reads everything there is on disk. Searches and writes go on meanwhile. Segments that are
  // damaged are made again. kConflict while another one runs.
  virtual IndexResult<VerifyReport> verify() = 0;
  // Writes all windows into one segment file, now.
  virtual IndexResult<void> merge() = 0;
  // All that was acknowledged before, as a catalogue in one file, that has no name: it is gone when
  // it is closed. Searches and writes go on meanwhile.
  virtual IndexResult<std::shared_ptr<std::FILE>> backup() const = 0;
  // What takes long, of the three above, ends early with kConflict, from now on.
  virtual void stop_long_work() = 0;
};

}  // namespace soundgate
