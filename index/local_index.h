// The index in this process: the catalogue on disk, and the newest snapshot of it in memory.
// A write goes to the catalogue first and is published when it has been acknowledged there.
// Windows come from segment files, items from the catalogue when they are wanted; only references
// whose windows are in no file yet are read when it opens.
// Versions, and what is done to look after an index: local_index_upkeep.cc.
// Thread: any; writes are serialised by a mutex, readers take a snapshot and are never in its way.
#pragma once

#include <atomic>
#include <chrono>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <utility>

#include "index/catalogue/catalogue.h"
#include "index/catalogue/items_reader.h"
#include "index/enrolment.h"
#include "index/index.h"
#include "index/index_loader.h"
#include "index/search/item_cache.h"
#include "index/search/snapshot.h"
#include "index/segment_keeper.h"

namespace soundgate {

class LocalIndex final : public Index {
 public:
  LocalIndex(std::unique_ptr<Catalogue> catalogue, std::unique_ptr<ItemsReader> reader,
             const std::filesystem::path& store, const Options& options);
  // Fills memory from the catalogue. Once, before anything else.
  IndexResult<void> load();

  IndexResult<void> create_bank(const Bank& bank) override;
  IndexResult<void> set_bank(const Bank& bank) override;
  IndexResult<void> delete_bank(std::string_view name, bool force) override;
  IndexResult<Bank> bank(std::string_view name) const override;
  std::vector<Bank> banks() const override;

  IndexResult<EnrollResult> enroll(const EnrollRequest& request) override;
  std::vector<IndexResult<EnrollResult>> enroll_all(
      std::span<const EnrollRequest> requests) override;
  IndexResult<std::vector<Reference>> references(std::string_view bank) const override;
  IndexResult<Reference> reference(std::string_view bank,
                                   std::string_view content_id) const override;
  IndexResult<std::optional<ExportedReference>> reference_after(
      std::string_view bank, std::string_view content_id) const override;
  IndexResult<void> remove(std::string_view bank, std::string_view content_id) override;
  IndexResult<void> suppress(std::string_view bank, std::string_view content_id,
                             const Suppression& suppression) override;
  IndexResult<void> restore(std::string_view bank, std::string_view content_id) override;

  std::unique_ptr<MatchSession> match() const override;
  IndexStatus status() const override;

  IndexResult<IndexUpkeep> upkeep() const override;
  IndexResult<RollbackReport> rollback(const VersionOrTime& to, bool dry_run) override;
  IndexResult<VerifyReport> verify() override;
  IndexResult<void> merge() override { return keeper_->merge_all(); }
  IndexResult<std::shared_ptr<std::FILE>> backup() const override;
  void stop_long_work() override;

 private:
  struct Writing {
    explicit Writing(const LocalIndex& index) : order(index.write_mutex_), state(index.mutex_) {
      index.compare_with_catalogue();
    }
    const std::lock_guard<std::mutex> order, state;
  };

  // Where memory ran out between the two halves of a write, its change is on disk and nowhere else,
  // and the next write would hide that. By who has write_mutex_.
  void compare_with_catalogue() const;
  void change(const SegmentKeeper::Edit& edit);
  void start_keeper();
  bool purge();  // a bit of it; true: there is more

  IndexResult<int64_t> version_of(const VersionOrTime& to);
  RollbackReport report_of(const Snapshot& snapshot, const RollbackPlan& plan) const;
  IndexResult<void> apply(const RollbackPlan& plan, Snapshot& next, int64_t first_id,
                          std::chrono::system_clock::time_point now);

  // What the catalogue has taken in goes into memory, and into the results.
  void add_to(Snapshot& next, std::span<const NewReference> references,
              std::span<const int64_t> ids, std::span<IndexResult<EnrollResult>* const> results,
              std::chrono::system_clock::time_point now);
  IndexResult<Slot> slot_of(const Bank& bank, std::string_view content_id) const;
  void publish(std::shared_ptr<Snapshot> snapshot, int64_t version);
  void set_suppression(Slot slot, const std::optional<Suppression>& suppression, int64_t version);

  const double false_positives_per_upload_;
  const std::optional<std::chrono::seconds> keep_;
  const std::filesystem::path directory_;
  const std::shared_ptr<ItemsReader> reader_;
  const std::shared_ptr<ItemCache> items_;
  SegmentStore store_;  // until the keeper has it
  std::shared_ptr<SnapshotCell> newest_ = std::make_shared<SnapshotCell>();

  std::atomic<bool> long_work_stopped_ = false;
  std::mutex verify_mutex_;             // one verification at a time
  std::vector<Damage> opening_damage_;  // found and mended when opened; the next one tells of it
  mutable std::atomic<int> backup_count_ = 0;
  mutable std::atomic<bool> is_behind_ = false;
  std::chrono::steady_clock::time_point next_purge_{};  // the keeper's thread

  // Who changes anything has both, the first one first; who has the first may read what the second
  // is of. So a long rollback keeps writers waiting, and not those who only look.
  mutable std::mutex write_mutex_;  // of the order of writes, and of what follows
  std::unique_ptr<Catalogue> catalogue_;

  mutable std::mutex mutex_;  // of what follows
  std::map<ReferenceKey, Slot> slots_;
  Suppressions suppressions_;
  mutable std::optional<std::chrono::steady_clock::time_point> incomplete_since_;

  std::unique_ptr<SegmentKeeper> keeper_;  // goes first: it uses the others
};

}  // namespace soundgate
