// The catalogue: banks, references and suppressions on disk, the system of record. DIR/catalogue.db
// is SQLite in WAL mode; what a write acknowledged survives kill -9 and power loss. DIR/lock keeps
// other processes out.
// It stores what it is told: whether a name is taken or a reference is there, its owner knows.
// Errors: kNotFound (no store), kInUse, kCorrupt, kConflict (a newer schema), kInputOutput.
// Thread: one at a time.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "index/catalogue/database.h"
#include "index/catalogue/lock_file.h"
#include "index/index.h"

namespace soundgate {

// Bank name and content id.
using SuppressionKey = std::pair<std::string, std::string>;

struct StoredReference {
  int64_t id = 0;
  int64_t bank_id = 0;
  Reference reference;      // without bank, indexed_seconds and suppression
  int64_t added_ms = 0;     // since 1970: tells the row from another that got its number
  uint32_t item_count = 0;  // of each band
  uint32_t band_count = 1;
};

// What makes the contents of an earlier version of the newest one.
struct RollbackPlan {
  int64_t to = 0;
  std::vector<Bank> banks;               // all there were, with the settings they had
  std::vector<int64_t> goes;             // ids of references
  std::vector<StoredReference> returns;  // by id, which a row of their own replaces
};

struct NewReference {
  const Bank* bank;
  const EnrollRequest* request;
};

class Catalogue {
 public:
  static IndexResult<std::unique_ptr<Catalogue>> open(const std::filesystem::path& store,
                                                      const Index::Options& options);

  IndexResult<int64_t> version();
  const std::string& path() const { return path_; }
  int64_t bytes() const;
  // Past the id of every reference there ever was; ids are never given again.
  IndexResult<int64_t> reference_id_end();
  IndexResult<std::vector<Bank>> banks();  // reference_count is left at 0
  IndexResult<std::map<SuppressionKey, Suppression>> suppressions();
  // Without their items, of which there are many: ItemsReader reads those.
  IndexResult<void> visit_references(const std::function<void(StoredReference)>& visit);

  // Each write is one transaction, and returns the version it made.
  struct NewRow {
    int64_t id;
    int64_t version;
  };
  struct NewReferences {
    std::vector<int64_t> ids;  // of their rows, one each, growing
    int64_t version;
  };
  IndexResult<NewRow> insert_bank(const Bank& bank);
  IndexResult<int64_t> update_bank(const Bank& bank);  // by id
  IndexResult<int64_t> delete_bank(const Bank& bank);  // and its references
  // All of it or nothing, with a version each: the last is returned. There is something.
  IndexResult<NewReferences> put_references(
      std::span<const NewReference> references,
      const std::map<SuppressionKey, Suppression>& suppressions,
      std::chrono::system_clock::time_point enrolled);
  IndexResult<int64_t> delete_reference(const Bank& bank, std::string_view content_id);
  IndexResult<int64_t> put_suppression(const SuppressionKey& key, const Suppression& suppression);
  IndexResult<int64_t> delete_suppression(const SuppressionKey& key);

  // What is gone is kept, for a rollback, until it is purged.
  struct History {
    int64_t oldest_version = 0;  // whose contents are all there
    std::optional<std::chrono::system_clock::time_point> oldest_made;
    int64_t kept_count = 0;  // references that are gone
  };
  IndexResult<History> history();
  // The newest version that there was at a time; 0 before the first.
  IndexResult<int64_t> version_at(std::chrono::system_clock::time_point time);
  // kNotFound: a version that is not kept any more, or not there yet.
  IndexResult<RollbackPlan> plan_rollback(int64_t version);
  // Returned references get ids from first_id on, which is reference_id_end().
  IndexResult<int64_t> roll_back(const RollbackPlan& plan, int64_t first_id,
                                 std::chrono::system_clock::time_point now);
  // Forgets some of what was gone at that time: at most kPurgeBatch references. False: nothing
  // left.
  IndexResult<bool> purge(std::chrono::system_clock::time_point gone_before);

  // Numbers that are remembered: "merged_ms", …
  IndexResult<std::optional<int64_t>> note(std::string_view name);
  IndexResult<void> set_note(std::string_view name, int64_t value);

 private:
  Catalogue(LockFile lock, Database database, std::string path)
      : path_(std::move(path)), lock_(std::move(lock)), database_(std::move(database)) {}

  // Runs `work`, which may throw DatabaseError.
  template <class Work>
  auto fenced(Work work) -> IndexResult<decltype(work())>;
  // Runs `work` in a transaction that has an entry in the log of changes.
  template <class Work>  // work(version)
  IndexResult<int64_t> change(std::string_view what, std::string_view bank,
                              std::string_view content_id, Work work);
  // Within a transaction; these throw DatabaseError.
  int64_t log_change(std::string_view what, std::string_view bank, std::string_view content_id);
  int64_t insert_reference(const NewReference& reference, int64_t version,
                           std::chrono::system_clock::time_point enrolled);
  void end_reference(int64_t bank_id, std::string_view content_id, int64_t version);
  void insert_settings(const Bank& bank, int64_t version);
  void end_settings(int64_t bank_id, int64_t version);
  void insert_suppression(const SuppressionKey& key, const Suppression& suppression);

  std::string path_;
  LockFile lock_;  // held until the database is closed
  Database database_;
};

}  // namespace soundgate
