#include "index/search/snapshot_edit.h"

#include <algorithm>
#include <span>
#include <utility>

namespace soundgate {
namespace {

// Dead windows that are tolerated, on top of half as many as there are live ones.
constexpr int64_t kDeadWindowsMax = 4096;

// Merged on the writer's thread; what is larger is the keeper's.
constexpr size_t kMergedWindowsMax = 32 * 1024;

using Segments = std::vector<std::shared_ptr<const Segment>>;

void merge_from(Snapshot& snapshot, size_t first) {
  Segments& segments = snapshot.segments;
  const auto parts = std::span(segments).subspan(first);
  const auto is_live = [&](Slot slot) { return snapshot.references.at(slot) != nullptr; };
  auto merged = std::make_shared<const Segment>(parts, is_live);
  segments.resize(first);
  if (merged->window_count() > 0) segments.push_back(std::move(merged));
}

// Before it are files, and what the keeper is at.
size_t first_own(const Snapshot& snapshot) {
  const auto& segments = snapshot.segments;
  size_t first = segments.size();
  while (first > snapshot.frozen_segments && !segments[first - 1]->is_file()) --first;
  return first;
}

void merge_small_segments(Snapshot& snapshot) {
  Segments& segments = snapshot.segments;
  size_t first = segments.size() - 1;
  size_t windows = segments.back()->window_count();
  while (first > first_own(snapshot) && segments[first - 1]->window_count() < 2 * windows &&
         windows + segments[first - 1]->window_count() <= kMergedWindowsMax) {
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
  if (windows > static_cast<int64_t>(kMergedWindowsMax) || first_own(snapshot) > 0) return;
  if (dead > kDeadWindowsMax + snapshot.status.window_count / 2) merge_from(snapshot, 0);
}

// Of what was fingerprinted: durations come from outside, and fpcalc stops after two minutes.
double heard_seconds(const ReferenceEntry& entry) {
  constexpr double kOfTheLastItem = 3;
  const double heard = entry.items.count() * kItemSeconds + kOfTheLastItem;
  return std::clamp(entry.reference.duration_seconds, 0.0, heard);
}

void count(Snapshot& snapshot, const ReferenceEntry& entry, int sign) {
  snapshot.status.reference_count += sign;
  snapshot.status.window_count += sign * static_cast<int64_t>(entry.window_count);
  snapshot.status.reference_seconds += sign * heard_seconds(entry);
  snapshot.banks.at(entry.bank_id).reference_count += sign;
}

}  // namespace

void place_sealed(Snapshot& snapshot, Slot slot, ReferenceEntry entry) {
  count(snapshot, entry, +1);
  snapshot.references.set(slot, std::make_shared<const ReferenceEntry>(std::move(entry)));
}

void place_references(Snapshot& snapshot, std::vector<PlacedReference> references) {
  std::vector<SlotItems> items;
  for (const PlacedReference& placed : references) {
    items.push_back({placed.slot, placed.items.get(), placed.entry.added_ms});
  }
  auto segment = std::make_shared<const Segment>(items);
  for (PlacedReference& placed : references) {
    placed.entry.window_count = segment->window_count(placed.slot);
    place_sealed(snapshot, placed.slot, std::move(placed.entry));
  }
  if (segment->window_count() > 0) {
    snapshot.segments.push_back(std::move(segment));
    merge_small_segments(snapshot);
  }
}

Slot add_references(Snapshot& snapshot, std::vector<ReferenceEntry> entries) {
  const Slot first = snapshot.references.slot_end();
  std::vector<PlacedReference> references;
  for (ReferenceEntry& entry : entries) {
    SharedItems items = entry.items.load();
    const Slot slot = first + static_cast<Slot>(references.size());
    references.push_back({slot, std::move(entry), std::move(items)});
  }
  place_references(snapshot, std::move(references));
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
