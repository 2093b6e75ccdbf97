// LocalIndex: versions, and what is done to look after an index.
#include <algorithm>
#include <atomic>
#include <span>
#include <string>
#include <system_error>
#include <unordered_set>
#include <utility>

#include "index/audio_seconds.h"
#include "index/catalogue/copy.h"
#include "index/catalogue/scrub.h"
#include "index/catalogue/store_directory.h"
#include "index/limits.h"
#include "index/local_index.h"
#include "index/search/snapshot_edit.h"
#include "index/search/window.h"

namespace soundgate {
namespace {

using std::chrono::milliseconds;
using std::chrono::steady_clock;
using std::chrono::system_clock;
namespace fs = std::filesystem;

constexpr std::chrono::seconds kPurgeEvery{60};
constexpr size_t kReturnBatch = 64;  // references whose windows are made together
constexpr std::string_view kMerged = "merged_ms";
constexpr std::string_view kVerified = "verified_ms";
constexpr std::string_view kVerifiedDamage = "verified_damage_count";

tl::unexpected<IndexError> error(IndexError::Kind kind, std::string message) {
  return tl::unexpected(IndexError{kind, std::move(message)});
}

int64_t now_ms() {
  return std::chrono::duration_cast<milliseconds>(system_clock::now().time_since_epoch()).count();
}

std::optional<system_clock::time_point> time_of(const IndexResult<std::optional<int64_t>>& note) {
  if (!note || !*note) return std::nullopt;
  return system_clock::time_point(milliseconds(**note));
}

SegmentStatus status_of(const Segment& segment, const ReferenceTable& references) {
  SegmentStatus status;
  status.file = segment.image().path().filename().string();
  status.windows = static_cast<int64_t>(segment.window_count());
  status.lists = static_cast<int64_t>(segment.image().counts().lists);
  status.bytes = static_cast<int64_t>(segment.image().bytes());
  status.damaged = segment.image().is_damaged();
  for (const SlotInfo& info : segment.slots()) {
    if (references.at(info.slot) == nullptr) {
      status.dead_windows += info.window_count;
    } else if (info.band_count == 1) {
      ++status.one_band_references;
    }
  }
  return status;
}

RollbackItem item_of(const Reference& reference, std::string bank) {
  return {std::move(bank), reference.content_id, reference.title};
}

bool is_same(const Bank& left, const Bank& right) {
  return left.action == right.action && left.probes == right.probes &&
         left.seconds_min == right.seconds_min && left.paused == right.paused;
}

bool changes_nothing(const RollbackReport& report) {
  return report.goes_count == 0 && report.returns_count == 0 && report.banks_gone.empty() &&
         report.banks_returned.empty() && report.banks_changed.empty();
}

// Where the references in them have been taken away already.
void set_banks(Snapshot& next, const std::vector<Bank>& banks) {
  std::map<int64_t, Bank> set;
  for (Bank bank : banks) {
    const auto old = next.banks.find(bank.id);
    if (old != next.banks.end()) bank.reference_count = old->second.reference_count;
    set.emplace(bank.id, std::move(bank));
  }
  next.banks = std::move(set);
}

}  // namespace

void LocalIndex::start_keeper() {
  keeper_ = std::make_unique<SegmentKeeper>(
      std::move(store_),
      SegmentKeeper::Hooks{.change = [this](const SegmentKeeper::Edit& edit) { change(edit); },
                           .read = [reader = reader_](Slot slot) { return reader->read(slot); },
                           .merged =
                               [this] {
                                 const std::lock_guard lock(write_mutex_);
                                 const auto noted = catalogue_->set_note(kMerged, now_ms());
                                 if (!noted) keeper_->complain(noted.error().message);
                               },
                           .idle = [this] { return purge(); }});
}

void LocalIndex::stop_long_work() {
  long_work_stopped_ = true;
  keeper_->stop_long_work();
}

bool LocalIndex::purge() {
  if (!keep_ || steady_clock::now() < next_purge_) return false;
  const std::lock_guard lock(write_mutex_);
  const auto more = catalogue_->purge(system_clock::now() - *keep_);
  if (!more) keeper_->complain(more.error().message);
  if (more && *more) return true;
  next_purge_ = steady_clock::now() + kPurgeEvery;
  return false;
}

IndexResult<IndexUpkeep> LocalIndex::upkeep() const {
  IndexUpkeep upkeep;
  const auto snapshot = newest_->get();
  for (const auto& segment : snapshot->segments) {
    upkeep.segments.push_back(status_of(*segment, snapshot->references));
  }
  const std::lock_guard lock(write_mutex_);
  const auto history = catalogue_->history();
  if (!history) return tl::unexpected(history.error());
  upkeep.catalogue_bytes = catalogue_->bytes();
  upkeep.oldest_version = history->oldest_version;
  upkeep.oldest_version_made = history->oldest_made;
  upkeep.kept_count = history->kept_count;
  upkeep.merged = time_of(catalogue_->note(kMerged));
  upkeep.verified = time_of(catalogue_->note(kVerified));
  const auto damage_count = catalogue_->note(kVerifiedDamage);
  if (damage_count) upkeep.verified_damage_count = damage_count->value_or(0);
  return upkeep;
}

IndexResult<int64_t> LocalIndex::version_of(const VersionOrTime& to) {
  if (const auto* version = std::get_if<int64_t>(&to)) return *version;
  const auto version = catalogue_->version_at(std::get<system_clock::time_point>(to));
  // Not version 0: who asks for a day long ago does not mean to have nothing.
  if (version && *version == 0) {
    return error(IndexError::Kind::kNotFound, "there was no version yet at that time");
  }
  return version;
}

RollbackReport LocalIndex::report_of(const Snapshot& snapshot, const RollbackPlan& plan) const {
  RollbackReport report;
  report.to = plan.to;
  report.version = snapshot.status.version;
  report.goes_count = static_cast<int64_t>(plan.goes.size());
  report.returns_count = static_cast<int64_t>(plan.returns.size());
  for (const int64_t id :
       std::span(plan.goes).first(std::min(plan.goes.size(), kRollbackListMax))) {
    const ReferenceEntry* entry = snapshot.references.at(static_cast<Slot>(id));
    if (entry != nullptr) report.goes.push_back(item_of(entry->reference, entry->reference.bank));
  }
  std::map<int64_t, std::string> names;
  for (const Bank& bank : plan.banks) {
    names[bank.id] = bank.name;
    const auto now = snapshot.banks.find(bank.id);
    if (now == snapshot.banks.end()) report.banks_returned.push_back(bank);
    if (now != snapshot.banks.end() && !is_same(now->second, bank)) {
      report.banks_changed.push_back(bank);
    }
  }
  for (const auto& [id, bank] : snapshot.banks) {
    if (!names.contains(id)) report.banks_gone.push_back(bank);
  }
  const auto returns = std::span(plan.returns);
  for (const auto& stored : returns.first(std::min(returns.size(), kRollbackListMax))) {
    report.returns.push_back(item_of(stored.reference, names[stored.bank_id]));
  }
  return report;
}

// All is made in memory before the catalogue is told: where items cannot be read, nothing happens.
IndexResult<RollbackReport> LocalIndex::rollback(const VersionOrTime& to, bool dry_run) {
  const std::lock_guard order(write_mutex_);
  const auto version = version_of(to);
  if (!version) return tl::unexpected(version.error());
  const auto plan = catalogue_->plan_rollback(*version);
  if (!plan) return tl::unexpected(plan.error());
  const auto before = newest_->get();
  RollbackReport report = report_of(*before, *plan);
  if (dry_run || changes_nothing(report)) return report;

  const auto first_id = catalogue_->reference_id_end();
  if (!first_id) return tl::unexpected(first_id.error());
  const auto now = system_clock::now();
  auto next = std::make_shared<Snapshot>(*before);
  if (auto applied = apply(*plan, *next, *first_id, now); !applied) {
    return tl::unexpected(std::move(applied.error()));
  }
  const auto made = catalogue_->roll_back(*plan, *first_id, now);
  if (!made) return tl::unexpected(made.error());
  const std::lock_guard lock(mutex_);
  for (const int64_t id : plan->goes) {
    const ReferenceEntry* entry = before->references.at(static_cast<Slot>(id));
    if (entry != nullptr) slots_.erase({entry->bank_id, entry->reference.content_id});
  }
  auto slot = static_cast<Slot>(*first_id);
  for (const StoredReference& stored : plan->returns) {
    slots_[{stored.bank_id, stored.reference.content_id}] = slot++;
  }
  publish(std::move(next), *made);
  keeper_->wake();
  report.version = *made;
  return report;
}

IndexResult<void> LocalIndex::apply(const RollbackPlan& plan, Snapshot& next, int64_t first_id,
                                    system_clock::time_point now) {
  for (const int64_t id : plan.goes) {
    const auto slot = static_cast<Slot>(id);
    if (next.references.at(slot) != nullptr) remove_reference(next, slot);
  }
  set_banks(next, plan.banks);
  auto slot = static_cast<Slot>(first_id);
  std::vector<PlacedReference> batch;
  for (size_t i = 0; i < plan.returns.size(); ++i, ++slot) {
    if (long_work_stopped_) return error(IndexError::Kind::kConflict, "the index is being closed");
    const StoredReference& stored = plan.returns[i];
    const auto bank = next.banks.find(stored.bank_id);
    if (bank == next.banks.end()) {
      return error(IndexError::Kind::kCorrupt, catalogue_->path() +
                                                   " is damaged: " + stored.reference.content_id +
                                                   " was in a bank that was not there");
    }
    auto items = reader_->read(stored.id);
    if (!items) return tl::unexpected(std::move(items.error()));
    ReferenceEntry entry = entry_of(bank->second, stored.reference,
                                    ReferenceItems(items_, slot, stored.item_count), suppressions_);
    entry.added_ms = std::chrono::duration_cast<milliseconds>(now.time_since_epoch()).count();
    entry.reference.indexed_seconds = informative_seconds(items->of(Band::kFull));
    batch.push_back(
        {slot, std::move(entry), std::make_shared<const BandedItems>(std::move(*items))});
    if (batch.size() < kReturnBatch && i + 1 < plan.returns.size()) continue;
    place_references(next, std::move(batch));
    batch.clear();
  }
  return {};
}

IndexResult<VerifyReport> LocalIndex::verify() {
  const std::unique_lock verifying(verify_mutex_, std::try_to_lock);
  if (!verifying) {
    return error(IndexError::Kind::kConflict, "a verification is under way already");
  }
  VerifyReport report;
  const auto stop = [this] { return long_work_stopped_.load(); };
  const auto note = [&](Damage damage) {
    ++report.damage_count;
    if (report.damage.size() < kDamageListMax) report.damage.push_back(std::move(damage));
  };
  std::unordered_set<const Segment*> damaged;
  for (const Damage& damage : opening_damage_) note(damage);
  const auto before = newest_->get();
  for (const auto& segment : before->segments) {
    if (!segment->is_file()) continue;
    ++report.segment_count;
    report.segment_bytes += static_cast<int64_t>(segment->image().bytes());
    for (Damage& damage : segment->image().scrub(stop)) note(std::move(damage));
    if (segment->image().is_damaged()) damaged.insert(segment.get());
  }
  const auto read = scrub_catalogue(catalogue_->path(), {stop, note});
  if (!read) return tl::unexpected(read.error());
  if (stop()) return error(IndexError::Kind::kConflict, "the index is being closed");
  report.reference_count = *read;
  if (!damaged.empty()) {
    if (auto made = keeper_->rebuild_damaged(); !made) note({"segments", made.error().message});
    report.rebuilt_count = static_cast<int64_t>(damaged.size());
    const auto after = newest_->get();
    for (const auto& segment : after->segments) {
      if (damaged.contains(segment.get())) --report.rebuilt_count;
    }
  }
  const std::lock_guard lock(write_mutex_);
  auto noted = catalogue_->set_note(kVerified, now_ms()).and_then([&] {
    return catalogue_->set_note(kVerifiedDamage, report.damage_count);
  });
  if (!noted) return tl::unexpected(std::move(noted.error()));
  opening_damage_.clear();
  return report;
}

IndexResult<std::shared_ptr<std::FILE>> LocalIndex::backup() const {
  const fs::path path =
      directory_ / (std::string(kBackupPrefix) + std::to_string(++backup_count_) + ".db");
  const auto stop = [this] { return long_work_stopped_.load(); };
  if (auto copied = copy_database(catalogue_->path(), path, stop); !copied) {
    return tl::unexpected(std::move(copied.error()));
  }
  std::shared_ptr<std::FILE> file(std::fopen(path.c_str(), "rbe"), [](std::FILE* open) {
    if (open != nullptr) std::fclose(open);
  });
  std::error_code ignored;
  fs::remove(path, ignored);
  if (file) return file;
  return error(IndexError::Kind::kInputOutput, "cannot open " + path.string());
}

}  // namespace soundgate
