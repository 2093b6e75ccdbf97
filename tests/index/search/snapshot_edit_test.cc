#include "index/search/snapshot_edit.h"

#include <gtest/gtest.h>

#include "tests/index/synthetic.h"

namespace soundgate {
namespace {

ReferenceEntry track_entry(uint64_t seed, double seconds) {
  ReferenceEntry entry;
  entry.bank_id = 1;
  entry.reference.duration_seconds = seconds;
  entry.items = std::make_shared<const BandedItems>(test::make_track(seed, seconds), 1);
  return entry;
}

Snapshot snapshot_of(int references, double seconds) {
  Snapshot snapshot;
  snapshot.banks[1] = test::bank_named("spam");
  for (int i = 0; i < references; ++i) {
    add_reference(snapshot, track_entry(static_cast<uint64_t>(i), seconds));
  }
  return snapshot;
}

int64_t windows_in(const Snapshot& snapshot) {
  int64_t windows = 0;
  for (const auto& segment : snapshot.segments) {
    windows += static_cast<int64_t>(segment->window_count());
  }
  return windows;
}

QueryWindows query_of(const std::vector<Item>& items) {
  return {{pack_window(std::span(items).first<kWindowItems>())}, {0}};
}

TEST(SnapshotEdit, ManyReferencesMakeFewSegments) {
  const Snapshot snapshot = snapshot_of(200, 20);
  EXPECT_LE(snapshot.segments.size(), 9U);  // log2(200) and a little
  EXPECT_EQ(windows_in(snapshot), snapshot.status.window_count);
  EXPECT_EQ(snapshot.status.reference_count, 200);
  EXPECT_EQ(snapshot.banks.at(1).reference_count, 200);
}

TEST(SnapshotEdit, EveryReferenceIsFoundThroughTheMerges) {
  const Snapshot snapshot = snapshot_of(50, 20);
  for (Slot slot = 0; slot < 50; ++slot) {
    std::vector<WindowHit> hits;
    const QueryWindows query = query_of(test::make_track(slot, 20));
    for (const auto& segment : snapshot.segments) segment->search(query, {}, hits);
    ASSERT_FALSE(hits.empty());
    EXPECT_EQ(hits[0].slot, slot);
    EXPECT_EQ(hits[0].reference_item, 0U);
    EXPECT_EQ(hits[0].distance, 0U);
  }
}

TEST(SnapshotEdit, ASearchFromASlotOnSeesOnlyNewerOnes) {
  const Snapshot snapshot = snapshot_of(50, 20);
  std::vector<WindowHit> hits;
  const QueryWindows query = query_of(test::make_track(20, 20));
  for (const auto& segment : snapshot.segments) segment->search(query, {.slot_begin = 21}, hits);
  EXPECT_TRUE(hits.empty());
  for (const auto& segment : snapshot.segments) segment->search(query, {.slot_begin = 20}, hits);
  EXPECT_EQ(hits.size(), 1U);
}

TEST(SnapshotEdit, DeadWindowsDoNotPileUp) {
  Snapshot snapshot = snapshot_of(20, 20);
  for (uint64_t i = 0; i < 1000; ++i) {
    remove_reference(snapshot, snapshot.references.slot_end() - 1);
    add_reference(snapshot, track_entry(i, 20));
  }
  EXPECT_EQ(snapshot.status.reference_count, 20);
  EXPECT_LE(windows_in(snapshot), 2 * snapshot.status.window_count + 4096 + 20);
}

TEST(SnapshotEdit, TheOldSnapshotIsUnharmed) {
  const Snapshot before = snapshot_of(10, 20);
  Snapshot after = before;
  remove_reference(after, 3);
  set_suppression(after, 4, Suppression{"mistake", std::nullopt});
  EXPECT_NE(before.references.at(3), nullptr);
  EXPECT_FALSE(before.references.at(4)->reference.suppression);
  EXPECT_EQ(after.references.at(3), nullptr);
  EXPECT_TRUE(after.references.at(4)->reference.suppression);
}

}  // namespace
}  // namespace soundgate
