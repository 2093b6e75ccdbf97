#include "index/index_loader.h"

#include <algorithm>
#include <limits>
#include <span>

#include "index/search/merge_plan.h"
#include "index/search/window.h"

namespace soundgate {
namespace {

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

size_t windows_in(Segment::Parts segments) {
  size_t windows = 0;
  for (const auto& segment : segments) windows += segment->window_count();
  return windows;
}

Segment::Parts in_memory(const Snapshot& snapshot) {
  const auto first = std::ranges::find_if(snapshot.segments,
                                          [](const auto& segment) { return !segment->is_file(); });
  return {first, snapshot.segments.end()};
}

bool is_of(const SlotInfo& info, const StoredReference& stored) {
  return info.item_count == stored.item_count && info.band_count == stored.band_count &&
         info.enrolled_ms == stored.added_ms;
}

}  // namespace

IndexResult<LoadedIndex> IndexLoader::load() {
  const auto banks = catalogue_.banks();
  if (!banks) return tl::unexpected(banks.error());
  auto suppressions = catalogue_.suppressions();
  if (!suppressions) return tl::unexpected(suppressions.error());
  loaded_.suppressions = std::move(*suppressions);
  const auto slot_end = catalogue_.reference_id_end();
  if (!slot_end) return tl::unexpected(slot_end.error());
  auto segments = store_.open(static_cast<Slot>(*slot_end), loaded_.damage);
  if (!segments) return tl::unexpected(std::move(segments.error()));

  loaded_.snapshot = blank_snapshot(*banks);
  auto read = load_references(*segments);
  if (read && has_strangers_) {
    loaded_.complaints.push_back("the segments are of another catalogue; they are made again");
    for (const auto& segment : *segments) store_.remove(*segment);
    segments->clear();
    loaded_.slots.clear();
    unsealed_.clear();
    loaded_.snapshot = blank_snapshot(*banks);
    read = load_references(*segments);
  }
  if (!read) return tl::unexpected(std::move(read.error()));
  loaded_.snapshot->segments = std::move(*segments);
  if (auto made = load_unsealed(); !made) return tl::unexpected(std::move(made.error()));
  return std::move(loaded_);
}

// References whose windows are in segments; the others are left to be read.
IndexResult<void> IndexLoader::load_references(const SegmentStore::Segments& segments) {
  const SealedSlots sealed(segments);
  std::string without_bank;
  auto visited = catalogue_.visit_references([&](StoredReference stored) {
    const auto place = loaded_.snapshot->banks.find(stored.bank_id);
    if (place == loaded_.snapshot->banks.end()) {
      without_bank = stored.reference.content_id;
      return;
    }
    const Bank& bank = place->second;
    const auto slot = static_cast<Slot>(stored.id);
    const SlotInfo* info = sealed.find(slot);
    if (info != nullptr && !is_of(*info, stored)) has_strangers_ = true;
    ReferenceEntry entry =
        entry_of(bank, std::move(stored.reference), ReferenceItems(items_, slot, stored.item_count),
                 loaded_.suppressions);
    entry.added_ms = stored.added_ms;
    loaded_.slots[{bank.id, entry.reference.content_id}] = slot;
    if (info == nullptr) {
      unsealed_.push_back({slot, std::move(entry)});
      return;
    }
    entry.window_count = info->window_count;
    entry.reference.indexed_seconds = info->informative_items * kItemSeconds;
    place_sealed(*loaded_.snapshot, slot, std::move(entry));
  });
  if (!visited || without_bank.empty()) return visited;
  return tl::unexpected(IndexError{
      IndexError::Kind::kCorrupt,
      catalogue_.path() + " is damaged: reference " + without_bank + " is in a bank that is gone"});
}

IndexResult<void> IndexLoader::load_unsealed() {
  const size_t sealed_windows = windows_in(loaded_.snapshot->segments);
  std::vector<PlacedReference> batch;
  for (size_t i = 0; i < unsealed_.size(); ++i) {
    auto& [slot, entry] = unsealed_[i];
    auto items = reader_.read(slot);
    if (!items) return tl::unexpected(std::move(items.error()));
    entry.reference.indexed_seconds = informative_seconds(items->of(Band::kFull));
    auto held = std::make_shared<const BandedItems>(std::move(*items));
    batch.push_back({slot, std::move(entry), std::move(held)});
    if (batch.size() < batch_ && i + 1 < unsealed_.size()) continue;
    place_references(*loaded_.snapshot, std::move(batch));
    batch.clear();
    if (windows_in(in_memory(*loaded_.snapshot)) >= seal_windows_) seal();
  }
  // So many are not left in memory: a file is lost, or the last run had no time to write it.
  const auto made = windows_in(loaded_.snapshot->segments) - sealed_windows;
  if (made >= kSealWindows) {
    loaded_.complaints.push_back(std::to_string(unsealed_.size()) +
                                 " references were in no segment file: they are indexed again");
  }
  return {};
}

// Where that fails, memory has to do.
void IndexLoader::seal() {
  auto& segments = loaded_.snapshot->segments;
  const auto parts = in_memory(*loaded_.snapshot);
  auto written = store_.write(parts, [](Slot) { return true; });
  if (!written) {
    loaded_.complaints.push_back(written.error().message);
    seal_windows_ = std::numeric_limits<size_t>::max();
    return;
  }
  segments.resize(segments.size() - parts.size());
  segments.push_back(std::move(*written));
}

}  // namespace soundgate
