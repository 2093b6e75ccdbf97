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
  Reference reference;  // without bank, indexed_seconds and suppression
  uint32_t item_count = 0;
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

 private:
  Catalogue(LockFile lock, Database database, std::string path)
      : path_(std::move(path)), lock_(std::move(lock)), database_(std::move(database)) {}

  // Runs `work`, which may throw DatabaseError.
  template <class Work>
  auto fenced(Work work) -> IndexResult<decltype(work())>;
  // Runs `work` in a transaction that ends with an entry in the log of changes.
  template <class Work>
  IndexResult<int64_t> change(std::string_view what, std::string_view bank,
                              std::string_view content_id, Work work);
  // Within a transaction; these throw DatabaseError.
  int64_t log_change(std::string_view what, std::string_view bank, std::string_view content_id);
  int64_t insert_reference(const NewReference& reference,
                           std::chrono::system_clock::time_point enrolled);
  void insert_suppression(const SuppressionKey& key, const Suppression& suppression);

  std::string path_;
  LockFile lock_;  // held until the database is closed
  Database database_;
};

}  // namespace soundgate
