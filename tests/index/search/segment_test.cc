// Segments with lists, in memory and in files, and what damage does to the latter.
#include "index/search/segment.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <fstream>

#include "index/search/segment_builder.h"
#include "index/search/tuning.h"
#include "tests/index/synthetic.h"

namespace soundgate {
namespace {

using test::make_banded;
using testing::HasSubstr;
namespace fs = std::filesystem;

constexpr double kTrackSeconds = 180;  // some 60 windows of each band
constexpr uint32_t kPlace = 4 * kReferenceStride;

std::shared_ptr<const Segment> segment_of(Slot begin, Slot end) {
  std::vector<BandedItems> tracks;
  for (Slot slot = begin; slot < end; ++slot) tracks.push_back(make_banded(slot, kTrackSeconds));
  std::vector<SlotItems> references;
  for (Slot slot = begin; slot < end; ++slot) {
    references.push_back({slot, &tracks[slot - begin], 1000 + slot});
  }
  return std::make_shared<const Segment>(references);
}

QueryWindows query_of(Slot slot, size_t first = 0, Band band = Band::kFull) {
  const BandedItems items = make_banded(slot, kTrackSeconds);
  return {{pack_window(items.of(band).subspan(first).first<kWindowItems>())}, {0}};
}

void expect_found(const Segment& segment, Slot slot) {
  for (const Band band : kAllBands) {
    std::vector<WindowHit> hits;
    segment.search(query_of(slot, kPlace, band), {.band = band}, hits);
    ASSERT_FALSE(hits.empty()) << slot;
    EXPECT_EQ(hits[0].slot, slot);
    EXPECT_EQ(hits[0].reference_item, kPlace);
    EXPECT_EQ(hits[0].distance, 0U);
  }
}

size_t lists_in(const Segment& segment) { return segment.image().lists().list_count(); }

bool all(Slot) { return true; }

// Lists, and enough of them that most queries probe but a part.
constexpr Slot kReferences = 400;

TEST(Segment, FindsEveryReferenceThroughItsLists) {
  const auto segment = segment_of(0, kReferences);
  EXPECT_GT(segment->window_count(), kFlatWindowsMax);
  EXPECT_GT(lists_in(*segment), 100U);
  for (Slot slot = 0; slot < kReferences; ++slot) expect_found(*segment, slot);
  EXPECT_EQ(segment->window_count(7), segment_of(7, 8)->window_count());
  EXPECT_EQ(segment->slots()[7].enrolled_ms, 1007);
}

// What does not fit into memory at once is filled part by part.
TEST(Segment, ListsAreFilledAlikeAtOnceAndInParts) {
  const std::vector parts{segment_of(0, kReferences / 2), segment_of(kReferences / 2, kReferences)};
  const auto at_once = SegmentBuilder(parts, all).build({});
  const auto in_parts = SegmentBuilder(parts, all).build({}, at_once->lists().ids.size() / 5);
  ASSERT_TRUE(at_once && in_parts);
  EXPECT_TRUE(std::ranges::equal(at_once->lists().ids, in_parts->lists().ids));
  EXPECT_TRUE(std::ranges::equal(std::as_bytes(at_once->lists().blocks),
                                 std::as_bytes(in_parts->lists().blocks)));
}

TEST(Segment, FromASlotOnSeesOnlyNewerOnes) {
  const auto segment = segment_of(0, kReferences);
  std::vector<WindowHit> hits;
  segment->search(query_of(200), {.slot_begin = 201}, hits);
  EXPECT_TRUE(hits.empty());
  segment->search(query_of(200), {.slot_begin = 200}, hits);
  EXPECT_EQ(hits.size(), 1U);
}

TEST(Segment, LooksForABandAmongItsOwn) {
  const auto segment = segment_of(0, kReferences);
  for (const Band band : kAllBands) {
    for (const Band other : kAllBands) {
      std::vector<WindowHit> hits;
      segment->search(query_of(5, kPlace, band), {.band = other}, hits);
      const bool is_there = !hits.empty() && hits[0].distance == 0;
      EXPECT_EQ(is_there, band == other);
    }
  }
}

TEST(Segment, ACloseSearchReadsMoreLists) {
  const auto segment = segment_of(0, kReferences);
  const auto hits_of = [&](size_t compared) {
    std::vector<WindowHit> hits;
    segment->search(query_of(7), {.compared_windows = compared}, hits);
    return hits.size();
  };
  EXPECT_LE(hits_of(1), hits_of(100'000));
  EXPECT_EQ(hits_of(100'000), 1U);
}

TEST(Segment, MergedKeepsWhatIsLive) {
  const std::shared_ptr<const Segment> parts[] = {segment_of(0, 300), segment_of(300, 400),
                                                  segment_of(400, 410)};
  const Segment merged(parts, [](Slot slot) { return slot != 17 && slot != 305; });
  EXPECT_EQ(merged.window_count(), parts[0]->window_count() + parts[1]->window_count() +
                                       parts[2]->window_count() - parts[0]->window_count(17) -
                                       parts[1]->window_count(305));
  EXPECT_EQ(merged.window_count(17), 0U);
  for (const Slot slot : {0U, 16U, 18U, 299U, 300U, 304U, 306U, 400U, 409U}) {
    expect_found(merged, slot);
  }
  std::vector<WindowHit> hits;
  merged.search(query_of(305), {}, hits);
  EXPECT_TRUE(hits.empty());
}

TEST(Segment, MergedTakesOverAQuantiserThatSuits) {
  const std::shared_ptr<const Segment> parts[] = {segment_of(0, 400), segment_of(400, 420)};
  const Segment merged(parts, all);
  EXPECT_EQ(merged.image().quantiser().digest, parts[0]->image().quantiser().digest);
  EXPECT_NE(merged.image().quantiser().digest, 0U);
  for (const Slot slot : {0U, 399U, 400U, 419U}) expect_found(merged, slot);
}

// Parts of many quantisers, and a new one over all of them: ids still grow along each list.
TEST(Segment, QuantisedAnewKeepsItsListsInOrder) {
  std::vector<std::shared_ptr<const Segment>> parts;
  for (Slot begin = 0; begin < 1200; begin += 200) parts.push_back(segment_of(begin, begin + 200));
  const Segment merged(parts, all);
  EXPECT_NE(merged.image().quantiser().digest, parts[0]->image().quantiser().digest);
  const BlockLists lists = merged.image().lists();
  size_t windows = 0;
  for (size_t list = 0; list < lists.list_count(); ++list) {
    EXPECT_TRUE(std::ranges::is_sorted(lists.ids_of(list)));
    windows += lists.ids_of(list).size();
  }
  EXPECT_EQ(windows, merged.window_count());
  for (const Slot slot : {0U, 199U, 200U, 1199U}) expect_found(merged, slot);
}

class SegmentFile : public testing::Test {
 protected:
  void SetUp() override {
    const std::shared_ptr<const Segment> parts[] = {segment_of(0, kReferences)};
    memory_ = parts[0];
    test::value_of(Segment::merge_into_file(parts, all, path()));
  }
  fs::path path() const { return scratch_.path() / "a.segment"; }
  void change_byte(size_t offset) const {
    std::fstream file(path(), std::ios::in | std::ios::out | std::ios::binary);
    file.seekg(static_cast<std::streamoff>(offset));
    const int byte = file.get();
    file.seekp(static_cast<std::streamoff>(offset));
    file.put(static_cast<char>(byte ^ 16));
  }
  std::string open_error(IndexError::Kind kind) const {
    const auto opened = Segment::open(path());
    if (opened) return "it opened";
    EXPECT_EQ(opened.error().kind, kind);
    return opened.error().message;
  }

  test::ScratchDirectory scratch_;
  std::shared_ptr<const Segment> memory_;
};

TEST_F(SegmentFile, FindsWhatMemoryFinds) {
  const auto file = test::value_of(Segment::open(path()));
  EXPECT_EQ(file->window_count(), memory_->window_count());
  for (Slot slot = 0; slot < kReferences; ++slot) expect_found(*file, slot);
  EXPECT_FALSE(file->image().is_damaged());
  EXPECT_EQ(file->slots()[7].item_count, memory_->slots()[7].item_count);
  EXPECT_FALSE(fs::exists(path().string() + ".new"));
}

TEST_F(SegmentFile, AChangedHeaderOrGuideIsSeenWhenOpened) {
  for (const size_t offset : {size_t{60}, size_t{200}, size_t{20'000}}) {
    change_byte(offset);
    EXPECT_THAT(open_error(IndexError::Kind::kCorrupt), HasSubstr("is damaged")) << offset;
    change_byte(offset);
  }
  EXPECT_TRUE(Segment::open(path()));
}

TEST_F(SegmentFile, AnotherVersionOrFormatIsRefused) {
  change_byte(8);
  EXPECT_THAT(open_error(IndexError::Kind::kConflict), HasSubstr("another format"));
}

TEST_F(SegmentFile, OneCutShortOrEmptyIsCorrupt) {
  fs::resize_file(path(), fs::file_size(path()) - 1);
  EXPECT_THAT(open_error(IndexError::Kind::kCorrupt), HasSubstr("its size"));
  fs::resize_file(path(), 20);
  EXPECT_THAT(open_error(IndexError::Kind::kCorrupt), HasSubstr("too short"));
  fs::resize_file(path(), 0);
  EXPECT_THAT(open_error(IndexError::Kind::kCorrupt), HasSubstr("empty"));
}

TEST_F(SegmentFile, AChangedWindowIsSeenWhenItIsFirstRead) {
  change_byte(fs::file_size(path()) / 4);  // among the windows of kFull
  const auto file = test::value_of(Segment::open(path()));
  EXPECT_FALSE(file->image().is_damaged());
  size_t found = 0;
  for (Slot slot = 0; slot < kReferences; ++slot) {
    std::vector<WindowHit> hits;
    file->search(query_of(slot, kPlace), {}, hits);
    found += !hits.empty();
  }
  EXPECT_TRUE(file->image().is_damaged());
  EXPECT_GT(found, kReferences / 2);  // the other chunks still serve
  EXPECT_LT(found, kReferences);
}

}  // namespace
}  // namespace soundgate
