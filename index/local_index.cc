#include "index/local_index.h"

#include <algorithm>
#include <chrono>
#include <span>
#include <utility>

#include "index/align/matcher.h"
#include "index/align/matches.h"
#include "index/audio_seconds.h"
#include "index/catalogue/validate.h"
#include "index/limits.h"
#include "index/search/snapshot_edit.h"

namespace soundgate {
namespace {

using std::chrono::system_clock;

// A reference with less than this of audio, or of informative audio, is hard to find again.
constexpr double kShortSeconds = 10;
constexpr double kInformativeShareMin = 0.5;
constexpr size_t kOverlapWarningsMax = 8;

constexpr size_t kLoadBatch = 64;        // references whose windows are made together
constexpr size_t kOpenSegmentsMax = 32;  // more are merged before an index is open

tl::unexpected<IndexError> error(IndexError::Kind kind, std::string message) {
  return tl::unexpected(IndexError{kind, std::move(message)});
}

tl::unexpected<IndexError> no_bank(std::string_view name) {
  return error(IndexError::Kind::kNotFound, "there is no bank " + std::string(name));
}

std::string quoted(std::string_view bank, std::string_view content_id) {
  return std::string(content_id) + " in bank " + std::string(bank);
}

const Bank* find_bank(const Snapshot& snapshot, std::string_view name) {
  const auto found = std::ranges::find_if(
      snapshot.banks, [&](const auto& entry) { return entry.second.name == name; });
  return found == snapshot.banks.end() ? nullptr : &found->second;
}

ReferenceEntry entry_of(const Bank& bank, Reference reference, ReferenceItems items) {
  reference.bank = bank.name;
  ReferenceEntry entry;
  entry.bank_id = bank.id;
  entry.reference = std::move(reference);
  entry.items = std::move(items);
  return entry;
}

bool is_in_force(const Suppression& suppression, system_clock::time_point now) {
  return !suppression.until || *suppression.until > now;
}

Reference reference_of(const EnrollRequest& request, system_clock::time_point now) {
  Reference reference;
  reference.content_id = request.content_id;
  reference.title = request.title;
  reference.metadata_json = request.metadata_json;
  reference.duration_seconds = request.fingerprint.duration_seconds;
  reference.enrolled = now;
  return reference;
}

int64_t milliseconds_of(system_clock::time_point time) {
  return std::chrono::duration_cast<std::chrono::milliseconds>(time.time_since_epoch()).count();
}

// By slot, which is the order of the references.
class SealedSlots {
 public:
  explicit SealedSlots(const SegmentStore::Segments& segments) {
    for (const auto& segment : segments) {
      slots_.insert(slots_.end(), segment->slots().begin(), segment->slots().end());
    }
    std::ranges::sort(slots_, {}, &SlotInfo::slot);
  }
  const SlotInfo* find(Slot slot) const {
    const auto found = std::ranges::lower_bound(slots_, slot, {}, &SlotInfo::slot);
    return found != slots_.end() && found->slot == slot ? &*found : nullptr;
  }

 private:
  std::vector<SlotInfo> slots_;
};

std::shared_ptr<Snapshot> blank_snapshot(std::span<const Bank> banks) {
  auto snapshot = std::make_shared<Snapshot>();
  for (const Bank& bank : banks) snapshot->banks.emplace(bank.id, bank);
  return snapshot;
}

bool is_of(const SlotInfo& info, const StoredReference& stored) {
  return info.item_count == stored.item_count &&
         info.enrolled_ms == milliseconds_of(stored.reference.enrolled);
}

// The other references of this bank that the new one has stretches of.
std::vector<std::string> overlaps_of(const std::shared_ptr<const Snapshot>& snapshot,
                                     const Bank& bank, const EnrollRequest& request) {
  Matcher matcher(snapshot);
  matcher.append(snapshot, 0, request.fingerprint.items);
  std::vector<std::string> overlaps;
  for (const ReferenceAlignments& found : matcher.finish(snapshot)) {
    const ReferenceEntry* entry = snapshot->references.at(found.slot);
    if (entry->bank_id != bank.id || entry->reference.content_id == request.content_id) continue;
    if (overlaps.size() == kOverlapWarningsMax) break;
    overlaps.push_back(entry->reference.content_id);
  }
  return overlaps;
}

// The audio may be longer than its fingerprint: what is not in that cannot be found again.
std::vector<std::string> warnings_of(const ReferenceEntry& entry, system_clock::time_point now) {
  const Reference& reference = entry.reference;
  const double seconds =
      std::min(reference.duration_seconds, audio_seconds(entry.items.count() + 1));
  std::vector<std::string> warnings;
  if (seconds < kShortSeconds) warnings.emplace_back("short");
  if (reference.indexed_seconds < kInformativeShareMin * seconds) {
    warnings.emplace_back("low_information");
  }
  if (is_suppressed(reference, now)) warnings.emplace_back("suppressed");
  return warnings;
}

class LocalMatchSession final : public MatchSession {
 public:
  explicit LocalMatchSession(std::shared_ptr<const SnapshotCell> newest)
      : newest_(std::move(newest)), matcher_(newest_->get()) {}

  void append(uint32_t first_item, std::span<const Item> items) override {
    matcher_.append(newest_->get(), first_item, items);
  }

  std::vector<Match> finish() override {
    const std::shared_ptr<const Snapshot> snapshot = newest_->get();
    index_version_ = snapshot->status.version;
    const auto found = matcher_.finish(snapshot);
    return matches_of(found, matcher_.query_items(), *snapshot, system_clock::now());
  }

  int64_t index_version() const override { return index_version_; }

 private:
  std::shared_ptr<const SnapshotCell> newest_;
  Matcher matcher_;
  int64_t index_version_ = 0;
};

}  // namespace

IndexResult<std::unique_ptr<Index>> Index::open(const std::filesystem::path& store,
                                                const Options& options) {
  auto catalogue = Catalogue::open(store, options);
  if (!catalogue) return tl::unexpected(std::move(catalogue.error()));
  auto reader = ItemsReader::open((*catalogue)->path());
  if (!reader) return tl::unexpected(std::move(reader.error()));
  auto index = std::make_unique<LocalIndex>(std::move(*catalogue), std::move(*reader), store);
  if (auto loaded = index->load(); !loaded) return tl::unexpected(std::move(loaded.error()));
  return index;
}

LocalIndex::LocalIndex(std::unique_ptr<Catalogue> catalogue, std::unique_ptr<ItemsReader> reader,
                       const std::filesystem::path& store)
    : reader_(std::move(reader)),
      items_(std::make_shared<ItemCache>(
          [reader = reader_](Slot slot) { return reader->read(slot); })),
      store_(store / "segments"),
      catalogue_(std::move(catalogue)) {}

IndexResult<void> LocalIndex::load() {
  std::unique_lock lock(mutex_);
  const auto version = catalogue_->version();
  if (!version) return tl::unexpected(version.error());
  const auto banks = catalogue_->banks();
  if (!banks) return tl::unexpected(banks.error());
  auto suppressions = catalogue_->suppressions();
  if (!suppressions) return tl::unexpected(suppressions.error());
  suppressions_ = std::move(*suppressions);

  auto snapshot = blank_snapshot(*banks);
  const auto slot_end = catalogue_->reference_id_end();
  if (!slot_end) return tl::unexpected(slot_end.error());
  std::vector<std::string> complaints;
  auto segments = store_.open(static_cast<Slot>(*slot_end), complaints);
  if (!segments) return tl::unexpected(std::move(segments.error()));
  auto sealed = load_sealed(*snapshot, *segments);
  if (sealed && sealed->has_strangers) {
    complaints.push_back("the segments are of another catalogue; they are made again");
    for (const auto& segment : *segments) store_.remove(*segment);
    segments->clear();
    slots_.clear();
    snapshot = blank_snapshot(*banks);
    sealed = load_sealed(*snapshot, *segments);
  }
  if (!sealed) return tl::unexpected(std::move(sealed.error()));
  snapshot->segments = std::move(*segments);
  auto loaded = load_unsealed(*snapshot, std::move(sealed->unsealed));
  if (!loaded) return loaded;
  keeper_ = std::make_unique<SegmentKeeper>(
      std::move(store_), [this](const SegmentKeeper::Edit& edit) { change(edit); },
      [reader = reader_](Slot slot) { return reader->read(slot); });
  for (std::string& complaint : complaints) keeper_->complain(std::move(complaint));
  publish(std::move(snapshot), *version);
  lock.unlock();
  // Files that were lost are made again before anybody searches: hundreds of small segments are
  // slow.
  while (newest_->get()->segments.size() > kOpenSegmentsMax && keeper_->work()) {
  }
  keeper_->start();
  return {};
}

// References whose windows are in segments; the others are left to be read.
IndexResult<LocalIndex::Loaded> LocalIndex::load_sealed(Snapshot& snapshot,
                                                        const SegmentStore::Segments& segments) {
  const SealedSlots sealed(segments);
  Loaded loaded;
  auto visited = catalogue_->visit_references([&](StoredReference stored) {
    const Bank& bank = snapshot.banks.at(stored.bank_id);  // a foreign key: it is there
    const auto slot = static_cast<Slot>(stored.id);
    const SlotInfo* info = sealed.find(slot);
    if (info != nullptr && !is_of(*info, stored)) loaded.has_strangers = true;
    ReferenceEntry entry = entry_of(bank, std::move(stored.reference),
                                    ReferenceItems(items_, slot, stored.item_count));
    Reference& reference = entry.reference;
    const auto suppression = suppressions_.find({bank.name, reference.content_id});
    if (suppression != suppressions_.end()) reference.suppression = suppression->second;
    slots_[{bank.id, reference.content_id}] = slot;
    if (info == nullptr) {
      loaded.unsealed.push_back({slot, std::move(entry)});
      return;
    }
    entry.window_count = info->window_count;
    reference.indexed_seconds = info->informative_items * kItemSeconds;
    place_sealed(snapshot, slot, std::move(entry));
  });
  if (!visited) return tl::unexpected(std::move(visited.error()));
  return loaded;
}

IndexResult<void> LocalIndex::load_unsealed(Snapshot& snapshot, std::vector<Unsealed> references) {
  std::vector<PlacedReference> batch;
  for (size_t i = 0; i < references.size(); ++i) {
    auto& [slot, entry] = references[i];
    auto items = reader_->read(slot);
    if (!items) return tl::unexpected(std::move(items.error()));
    entry.reference.indexed_seconds = informative_seconds(*items);
    auto held = std::make_shared<const std::vector<Item>>(std::move(*items));
    batch.push_back({slot, std::move(entry), std::move(held)});
    if (batch.size() < kLoadBatch && i + 1 < references.size()) continue;
    place_references(snapshot, std::move(batch));
    batch.clear();
  }
  return {};
}

void LocalIndex::change(const SegmentKeeper::Edit& edit) {
  const std::lock_guard lock(mutex_);
  auto next = std::make_shared<Snapshot>(*newest_->get());
  if (edit(*next)) newest_->set(std::move(next));
}

IndexResult<void> LocalIndex::create_bank(const Bank& bank) {
  if (auto valid = validate(bank); !valid) return valid;
  const std::lock_guard lock(mutex_);
  auto next = std::make_shared<Snapshot>(*newest_->get());
  if (find_bank(*next, bank.name) != nullptr) {
    return error(IndexError::Kind::kConflict, "there is a bank " + bank.name + " already");
  }
  if (next->banks.size() >= kBanksMax) {
    return error(IndexError::Kind::kInvalid,
                 "a store has at most " + std::to_string(kBanksMax) + " banks");
  }
  const auto made = catalogue_->insert_bank(bank);
  if (!made) return tl::unexpected(made.error());
  Bank created = bank;
  created.id = made->id;
  created.reference_count = 0;
  next->banks.emplace(created.id, std::move(created));
  publish(std::move(next), made->version);
  return {};
}

IndexResult<void> LocalIndex::set_bank(const Bank& bank) {
  if (auto valid = validate(bank); !valid) return valid;
  const std::lock_guard lock(mutex_);
  auto next = std::make_shared<Snapshot>(*newest_->get());
  const Bank* found = find_bank(*next, bank.name);
  if (found == nullptr) return no_bank(bank.name);
  Bank& changed = next->banks.at(found->id);
  changed.action = bank.action;
  changed.probes = bank.probes;
  changed.seconds_min = bank.seconds_min;
  changed.paused = bank.paused;
  const auto version = catalogue_->update_bank(changed);
  if (!version) return tl::unexpected(version.error());
  publish(std::move(next), *version);
  return {};
}

IndexResult<void> LocalIndex::delete_bank(std::string_view name, bool force) {
  const std::lock_guard lock(mutex_);
  auto next = std::make_shared<Snapshot>(*newest_->get());
  const Bank* found = find_bank(*next, name);
  if (found == nullptr) return no_bank(name);
  const Bank bank = *found;
  if (bank.reference_count > 0 && !force) {
    return error(
        IndexError::Kind::kConflict,
        "bank " + bank.name + " has " + std::to_string(bank.reference_count) + " references");
  }
  const auto version = catalogue_->delete_bank(bank);
  if (!version) return tl::unexpected(version.error());
  const auto first = slots_.lower_bound({bank.id, ""});
  auto last = first;
  for (; last != slots_.end() && last->first.first == bank.id; ++last) {
    remove_reference(*next, last->second);
  }
  slots_.erase(first, last);
  next->banks.erase(bank.id);
  publish(std::move(next), *version);
  return {};
}

IndexResult<Bank> LocalIndex::bank(std::string_view name) const {
  const auto snapshot = newest_->get();
  const Bank* found = find_bank(*snapshot, name);
  if (found == nullptr) return no_bank(name);
  return *found;
}

std::vector<Bank> LocalIndex::banks() const {
  const auto snapshot = newest_->get();
  std::vector<Bank> banks;
  for (const auto& [id, bank] : snapshot->banks) banks.push_back(bank);
  std::ranges::sort(banks, {}, &Bank::name);
  return banks;
}

IndexResult<EnrollResult> LocalIndex::enroll(const EnrollRequest& request) {
  if (auto valid = validate(request); !valid) return tl::unexpected(valid.error());
  const auto before = newest_->get();
  const Bank* wanted = find_bank(*before, request.bank);
  if (wanted == nullptr) return no_bank(request.bank);
  const auto overlaps = overlaps_of(before, *wanted, request);
  auto result = std::move(enroll_all({&request, 1}).front());  // the bank may have gone since
  if (!result) return result;
  for (const std::string& content_id : overlaps) {
    result->warnings.push_back("overlaps " + content_id);
  }
  return result;
}

std::vector<IndexResult<EnrollResult>> LocalIndex::enroll_all(
    std::span<const EnrollRequest> requests) {
  std::vector<IndexResult<EnrollResult>> results;
  results.reserve(requests.size());
  for (const EnrollRequest& request : requests) {
    results.push_back(validate(request).map([] { return EnrollResult(); }));
  }

  const std::lock_guard lock(mutex_);
  auto next = std::make_shared<Snapshot>(*newest_->get());
  std::vector<NewReference> accepted;
  std::vector<IndexResult<EnrollResult>*> accepted_results;
  for (size_t i = 0; i < requests.size(); ++i) {
    const Bank* bank = find_bank(*next, requests[i].bank);
    if (results[i] && bank == nullptr) results[i] = no_bank(requests[i].bank);
    if (!results[i]) continue;
    accepted.push_back({bank, &requests[i]});
    accepted_results.push_back(&results[i]);
  }
  if (accepted.empty()) return results;

  const auto now = system_clock::now();
  const auto suppressions = new_suppressions(accepted, now);
  const auto made = catalogue_->put_references(accepted, suppressions, now);
  if (!made) {
    for (auto* result : accepted_results) *result = tl::unexpected(made.error());
    return results;
  }
  for (const auto& [key, suppression] : suppressions) suppressions_[key] = suppression;
  add_to(*next, accepted, made->ids, accepted_results, now);
  publish(std::move(next), made->version);
  keeper_->wake();
  return results;
}

// What was decided here holds: a reference that comes with a suppression changes none that is in
// force, and one that comes without lifts none.
std::map<SuppressionKey, Suppression> LocalIndex::new_suppressions(
    std::span<const NewReference> references, system_clock::time_point now) const {
  std::map<SuppressionKey, Suppression> suppressions;
  for (const auto& [bank, request] : references) {
    if (!request->suppression || !is_in_force(*request->suppression, now)) continue;
    const SuppressionKey key(request->bank, request->content_id);
    const auto old = suppressions_.find(key);
    if (old != suppressions_.end() && is_in_force(old->second, now)) continue;
    suppressions.emplace(key, *request->suppression);
  }
  return suppressions;
}

void LocalIndex::add_to(Snapshot& next, std::span<const NewReference> references,
                        std::span<const int64_t> ids,
                        std::span<IndexResult<EnrollResult>* const> results,
                        system_clock::time_point now) {
  std::vector<PlacedReference> placed;
  for (size_t i = 0; i < references.size(); ++i) {
    const auto& [bank, request] = references[i];
    const auto slot = static_cast<Slot>(ids[i]);
    auto items = std::make_shared<const std::vector<Item>>(request->fingerprint.items);
    ReferenceEntry entry =
        entry_of(*bank, reference_of(*request, now),
                 ReferenceItems(items_, slot, static_cast<uint32_t>(items->size())));
    Reference& reference = entry.reference;
    reference.indexed_seconds = informative_seconds(*items);
    const auto suppression = suppressions_.find({bank->name, request->content_id});
    if (suppression != suppressions_.end()) reference.suppression = suppression->second;
    *results[i] = EnrollResult{.replaced = false,
                               .duration_seconds = reference.duration_seconds,
                               .indexed_seconds = reference.indexed_seconds,
                               .warnings = warnings_of(entry, now)};
    placed.push_back({slot, std::move(entry), std::move(items)});
  }
  place_references(next, std::move(placed));
  for (size_t i = 0; i < references.size(); ++i) {
    const ReferenceKey key(references[i].bank->id, references[i].request->content_id);
    const auto slot = static_cast<Slot>(ids[i]);
    const auto [place, is_new] = slots_.try_emplace(key, slot);
    if (is_new) continue;
    (*results[i])->replaced = true;  // be it one of these references, before it
    remove_reference(next, place->second);
    place->second = slot;
  }
}

IndexResult<std::vector<Reference>> LocalIndex::references(std::string_view bank) const {
  const auto snapshot = newest_->get();
  const Bank* found = find_bank(*snapshot, bank);
  if (found == nullptr) return no_bank(bank);
  std::vector<Reference> references;
  for (Slot slot = 0; slot < snapshot->references.slot_end(); ++slot) {
    const ReferenceEntry* entry = snapshot->references.at(slot);
    if (entry != nullptr && entry->bank_id == found->id) references.push_back(entry->reference);
  }
  std::ranges::sort(references, {}, &Reference::content_id);
  return references;
}

IndexResult<Reference> LocalIndex::reference(std::string_view bank,
                                             std::string_view content_id) const {
  const std::lock_guard lock(mutex_);
  const auto snapshot = newest_->get();
  const Bank* found = find_bank(*snapshot, bank);
  if (found == nullptr) return no_bank(bank);
  const auto slot = slot_of(*found, content_id);
  if (!slot) return tl::unexpected(slot.error());
  return snapshot->references.at(*slot)->reference;
}

IndexResult<std::optional<ExportedReference>> LocalIndex::reference_after(
    std::string_view bank, std::string_view content_id) const {
  std::unique_lock lock(mutex_);
  for (;;) {
    const auto snapshot = newest_->get();
    const Bank* found = find_bank(*snapshot, bank);
    if (found == nullptr) return no_bank(bank);
    const auto next = slots_.upper_bound({found->id, std::string(content_id)});
    if (next == slots_.end() || next->first.first != found->id) return std::nullopt;
    const auto [key, slot] = *next;
    const ReferenceEntry* entry = snapshot->references.at(slot);
    lock.unlock();  // the snapshot keeps it
    const SharedItems items = entry->items.load();
    const Reference& reference = entry->reference;
    if (items) {
      return ExportedReference{reference, {kAlgorithm, reference.duration_seconds, *items}};
    }
    lock.lock();
    const auto still = slots_.find(key);
    if (still != slots_.end() && still->second == slot) {
      return error(IndexError::Kind::kCorrupt,
                   "the items of " + quoted(bank, reference.content_id) + " are damaged");
    }
  }
}

IndexResult<void> LocalIndex::remove(std::string_view bank, std::string_view content_id) {
  const std::lock_guard lock(mutex_);
  auto next = std::make_shared<Snapshot>(*newest_->get());
  const Bank* found = find_bank(*next, bank);
  if (found == nullptr) return no_bank(bank);
  const auto slot = slot_of(*found, content_id);
  if (!slot) return tl::unexpected(slot.error());
  const auto version = catalogue_->delete_reference(*found, content_id);
  if (!version) return tl::unexpected(version.error());
  slots_.erase({found->id, std::string(content_id)});
  remove_reference(*next, *slot);
  publish(std::move(next), *version);
  return {};
}

IndexResult<void> LocalIndex::suppress(std::string_view bank, std::string_view content_id,
                                       const Suppression& suppression) {
  if (auto valid = validate(suppression); !valid) return valid;
  const std::lock_guard lock(mutex_);
  const auto snapshot = newest_->get();
  const Bank* found = find_bank(*snapshot, bank);
  if (found == nullptr) return no_bank(bank);
  const auto slot = slot_of(*found, content_id);
  if (!slot) return tl::unexpected(slot.error());
  const SuppressionKey key(bank, content_id);
  const auto version = catalogue_->put_suppression(key, suppression);
  if (!version) return tl::unexpected(version.error());
  suppressions_[key] = suppression;
  set_suppression(*slot, suppression, *version);
  return {};
}

// Also of a reference, or a bank, that is gone: the suppression has outlived it.
IndexResult<void> LocalIndex::restore(std::string_view bank, std::string_view content_id) {
  const std::lock_guard lock(mutex_);
  const SuppressionKey key(bank, content_id);
  if (!suppressions_.contains(key)) {
    return error(IndexError::Kind::kNotFound, quoted(bank, content_id) + " is not suppressed");
  }
  const auto version = catalogue_->delete_suppression(key);
  if (!version) return tl::unexpected(version.error());
  suppressions_.erase(key);
  const auto snapshot = newest_->get();
  const Bank* found = find_bank(*snapshot, bank);
  const auto slot =
      found == nullptr ? slots_.end() : slots_.find({found->id, std::string(content_id)});
  if (slot != slots_.end()) {
    set_suppression(slot->second, std::nullopt, *version);
  } else {
    publish(std::make_shared<Snapshot>(*snapshot), *version);
  }
  return {};
}

std::unique_ptr<MatchSession> LocalIndex::match() const {
  return std::make_unique<LocalMatchSession>(newest_);
}

IndexStatus LocalIndex::status() const {
  const std::lock_guard lock(mutex_);
  const auto snapshot = newest_->get();
  IndexStatus status = snapshot->status;
  status.bank_count = static_cast<int64_t>(snapshot->banks.size());
  status.segment_count = static_cast<int64_t>(snapshot->segments.size());
  status.unreadable_count = items_->failure_count();
  status.complaints = keeper_->complaints();
  const auto now = system_clock::now();
  for (const auto& [key, suppression] : suppressions_) {
    const Bank* bank = find_bank(*snapshot, key.first);
    if (bank == nullptr) continue;
    const auto slot = slots_.find({bank->id, key.second});
    if (slot == slots_.end()) continue;
    if (is_suppressed(snapshot->references.at(slot->second)->reference, now)) {
      ++status.suppressed_count;
    }
  }
  return status;
}

IndexResult<Slot> LocalIndex::slot_of(const Bank& bank, std::string_view content_id) const {
  const auto found = slots_.find({bank.id, std::string(content_id)});
  if (found == slots_.end()) {
    return error(IndexError::Kind::kNotFound,
                 "there is no reference " + quoted(bank.name, content_id));
  }
  return found->second;
}

void LocalIndex::publish(std::shared_ptr<Snapshot> snapshot, int64_t version) {
  snapshot->status.version = version;
  newest_->set(std::move(snapshot));
}

void LocalIndex::set_suppression(Slot slot, const std::optional<Suppression>& suppression,
                                 int64_t version) {
  auto next = std::make_shared<Snapshot>(*newest_->get());
  soundgate::set_suppression(*next, slot, suppression);
  publish(std::move(next), version);
}

}  // namespace soundgate
