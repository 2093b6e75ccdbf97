#include "index/search/snapshot_edit.h"

#include <span>
#include <utility>

namespace soundgate {
namespace {

// Dead windows that are tolerated, on top of half as many as there are live ones.
constexpr int64_t kDeadWindowsMax = 4096;

using Segments = std::vector<std::shared_ptr<const Segment>>;

void merge_from(Snapshot& snapshot, size_t first) {
  Segments& segments = snapshot.segments;
  const auto parts = std::span(segments).subspan(first);
  const auto is_live = [&](Slot slot) { return snapshot.references.at(slot) != nullptr; };
  auto merged =
      std::make_shared<const Segment>(std::span<const Segments::value_type>(parts), is_live);
  segments.resize(first);
  if (merged->window_count() > 0) segments.push_back(std::move(merged));
}

void merge_small_segments(Snapshot& snapshot) {
  Segments& segments = snapshot.segments;
  size_t first = segments.size() - 1;
  size_t windows = segments.back()->window_count();
  while (first > 0 && segments[first - 1]->window_count() < 2 * windows) {
    windows += segments[--first]->window_count();
  }
  if (first + 1 < segments.size()) merge_from(snapshot, first);
}

void merge_if_mostly_dead(Snapshot& snapshot) {
  int64_t windows = 0;
  for (const auto& segment : snapshot.segments) {
    windows += static_cast<int64_t>(segment->window_count());
  }
  const int64_t dead = windows - snapshot.status.window_count;
  if (dead > kDeadWindowsMax + snapshot.status.window_count / 2) merge_from(snapshot, 0);
}

void count(Snapshot& snapshot, const ReferenceEntry& entry, int sign) {
  snapshot.status.reference_count += sign;
  snapshot.status.window_count += sign * static_cast<int64_t>(entry.window_count);
  snapshot.status.reference_seconds += sign * entry.reference.duration_seconds;
  snapshot.banks.at(entry.bank_id).reference_count += sign;
}

}  // namespace

Slot add_references(Snapshot& snapshot, std::vector<ReferenceEntry> entries) {
  const Slot first = snapshot.references.slot_end();
  std::vector<SlotItems> references;
  for (const ReferenceEntry& entry : entries) {
    references.push_back({first + static_cast<Slot>(references.size()), *entry.items});
  }
  auto segment = std::make_shared<const Segment>(references);
  for (size_t i = 0; i < entries.size(); ++i) {
    const Slot slot = references[i].slot;
    entries[i].window_count = segment->window_count(slot);
    count(snapshot, entries[i], +1);
    snapshot.references.set(slot, std::make_shared<const ReferenceEntry>(std::move(entries[i])));
  }
  if (segment->window_count() > 0) {
    snapshot.segments.push_back(std::move(segment));
    merge_small_segments(snapshot);
  }
  return first;
}

Slot add_reference(Snapshot& snapshot, ReferenceEntry entry) {
  std::vector<ReferenceEntry> entries;
  entries.push_back(std::move(entry));
  return add_references(snapshot, std::move(entries));
}

void remove_reference(Snapshot& snapshot, Slot slot) {
  count(snapshot, *snapshot.references.at(slot), -1);
  snapshot.references.set(slot, nullptr);
  merge_if_mostly_dead(snapshot);
}

void set_suppression(Snapshot& snapshot, Slot slot, std::optional<Suppression> suppression) {
  auto entry = std::make_shared<ReferenceEntry>(*snapshot.references.at(slot));
  entry->reference.suppression = std::move(suppression);
  snapshot.references.set(slot, std::move(entry));
}

}  // namespace soundgate
