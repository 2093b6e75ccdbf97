#include "index/local_index.h"

#include <algorithm>
#include <chrono>
#include <span>
#include <utility>

#include "index/catalogue/validate.h"
#include "index/enrolment.h"
#include "index/index_loader.h"
#include "index/limits.h"
#include "index/local_match_session.h"
#include "index/search/snapshot_edit.h"

namespace soundgate {
namespace {

using std::chrono::system_clock;

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

}  // namespace

IndexResult<std::unique_ptr<Index>> Index::open(const std::filesystem::path& store,
                                                const Options& options) {
  auto catalogue = Catalogue::open(store, options);
  if (!catalogue) return tl::unexpected(std::move(catalogue.error()));
  auto reader = ItemsReader::open((*catalogue)->path());
  if (!reader) return tl::unexpected(std::move(reader.error()));
  auto index =
      std::make_unique<LocalIndex>(std::move(*catalogue), std::move(*reader), store, options);
  if (auto loaded = index->load(); !loaded) return tl::unexpected(std::move(loaded.error()));
  return index;
}

LocalIndex::LocalIndex(std::unique_ptr<Catalogue> catalogue, std::unique_ptr<ItemsReader> reader,
                       const std::filesystem::path& store, const Options& options)
    : false_positives_per_upload_(options.false_positives_per_upload),
      keep_(options.keep),
      directory_(store),
      reader_(std::move(reader)),
      items_(std::make_shared<ItemCache>(
          [reader = reader_](Slot slot) { return reader->read(slot); })),
      store_(store / "segments"),
      catalogue_(std::move(catalogue)) {}

IndexResult<void> LocalIndex::load() {
  const auto version = catalogue_->version();  // nobody else has it yet
  if (!version) return tl::unexpected(version.error());
  auto loaded = IndexLoader(*catalogue_, *reader_, items_, store_).load();
  if (!loaded) return tl::unexpected(std::move(loaded.error()));
  slots_ = std::move(loaded->slots);
  suppressions_ = std::move(loaded->suppressions);
  start_keeper();
  for (std::string& damage : loaded->damage) {
    opening_damage_.push_back({"segments, when the store was opened", damage});
    keeper_->complain(std::move(damage));
  }
  for (std::string& complaint : loaded->complaints) keeper_->complain(std::move(complaint));
  publish(std::move(loaded->snapshot), *version);
  // Files that were lost are made again before anybody searches: hundreds of small segments are
  // slow.
  while (newest_->get()->segments.size() > kOpenSegmentsMax && keeper_->work()) {
  }
  keeper_->start();
  return {};
}

void LocalIndex::change(const SegmentKeeper::Edit& edit) {
  const Writing writing(*this);
  auto next = std::make_shared<Snapshot>(*newest_->get());
  if (edit(*next)) newest_->set(std::move(next));
}

IndexResult<void> LocalIndex::create_bank(const Bank& bank) {
  if (auto valid = validate(bank); !valid) return valid;
  const Writing writing(*this);
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
  const Writing writing(*this);
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
  const Writing writing(*this);
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

  const Writing writing(*this);
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
  const auto suppressions = new_suppressions(accepted, suppressions_, now);
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

void LocalIndex::add_to(Snapshot& next, std::span<const NewReference> references,
                        std::span<const int64_t> ids,
                        std::span<IndexResult<EnrollResult>* const> results,
                        system_clock::time_point now) {
  std::vector<PlacedReference> placed;
  for (size_t i = 0; i < references.size(); ++i) {
    const auto& [bank, request] = references[i];
    const auto slot = static_cast<Slot>(ids[i]);
    auto items = std::make_shared<const BandedItems>(request->fingerprint);
    ReferenceEntry entry = entry_of(
        *bank, reference_of(*request, now),
        ReferenceItems(items_, slot, static_cast<uint32_t>(items->count())), suppressions_);
    Reference& reference = entry.reference;
    entry.added_ms = enrolled_ms(reference);
    reference.indexed_seconds = informative_seconds(items->of(Band::kFull));
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
      return ExportedReference{reference, items->fingerprint(reference.duration_seconds)};
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
  const Writing writing(*this);
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
  const Writing writing(*this);
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
  const Writing writing(*this);
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
  return std::make_unique<LocalMatchSession>(newest_, false_positives_per_upload_);
}

void LocalIndex::compare_with_catalogue() const {
  const auto version = catalogue_->version();
  if (version && *version != newest_->get()->status.version) is_behind_ = true;
}

IndexStatus LocalIndex::status() const {
  // Whoever is writing has compared them, and will be compared with by the next one.
  if (const std::unique_lock order(write_mutex_, std::try_to_lock); order) compare_with_catalogue();
  const std::lock_guard lock(mutex_);
  const auto snapshot = newest_->get();
  IndexStatus status = snapshot->status;
  status.bank_count = static_cast<int64_t>(snapshot->banks.size());
  status.segment_count = static_cast<int64_t>(snapshot->segments.size());
  status.unreadable_count = items_->failure_count();
  const auto complaints = keeper_->complaints();
  status.complaint_count = complaints.count;
  status.complaints = complaints.newest;
  status.damaged_segment_count = std::ranges::count_if(
      snapshot->segments, [](const auto& s) { return s->image().is_damaged(); });
  status.is_behind = is_behind_;
  const bool incomplete = status.is_behind || status.damaged_segment_count > 0;
  if (!incomplete) incomplete_since_.reset();
  if (incomplete && !incomplete_since_) incomplete_since_ = std::chrono::steady_clock::now();
  status.incomplete_since = incomplete_since_;
  const auto now = system_clock::now();
  for (const auto& [key, suppression] : suppressions_) {
    const Bank* bank = find_bank(*snapshot, key.first);
    if (bank == nullptr) continue;
    const auto slot = slots_.find({bank->id, key.second});
    if (slot == slots_.end()) continue;
    if (is_in_force(snapshot->references.at(slot->second)->reference.suppression, now)) {
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
