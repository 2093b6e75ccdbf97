// Segment files that are whole by their checksums, and say what cannot be: they are refused, for
// whatever is in them is where a search looks.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <functional>

#include "index/limits.h"
#include "index/search/segment.h"
#include "tests/index/synthetic.h"

namespace soundgate {
namespace {

using testing::HasSubstr;

class CraftedSegment : public testing::Test {
 protected:
  // Enough windows for lists and a quantiser.
  static void SetUpTestSuite() {
    std::vector<BandedItems> tracks;
    std::vector<SlotItems> references;
    for (Slot slot = 0; slot < 6; ++slot) tracks.push_back(test::make_banded(slot, 3 * 3600));
    for (Slot slot = 0; slot < 6; ++slot) references.push_back({slot + 1, &tracks[slot], 1000});
    whole_ = std::make_unique<Segment>(references);
    ASSERT_GT(whole_->image().counts().lists, 1U);
  }
  static void TearDownTestSuite() { whole_.reset(); }

  using Craft = std::function<void(SegmentImage&)>;

  // The whole one in a file, changed, with the checksums of what it is then.
  IndexResult<SegmentImage> open_crafted(const Craft& craft, uint64_t digest_change = 0,
                                         const std::function<void(SegmentCounts&)>& recount = {}) {
    const auto path = scratch_.path() / "1.segment";
    auto& from = const_cast<SegmentImage&>(whole_->image());
    SegmentCounts counts = from.counts();
    if (recount) recount(counts);
    auto image = test::value_of(SegmentImage::in_file(path, counts));
    const auto copy = [](auto source, auto target) {
      std::copy_n(source.begin(), std::min(source.size(), target.size()), target.begin());
    };
    copy(from.slots(), image.slots());
    copy(from.leaders(), image.leaders());
    copy(from.leader_begin(), image.leader_begin());
    copy(from.centroid_ids(), image.centroid_ids());
    copy(from.centroids(), image.centroids());
    copy(from.list_begin(), image.list_begin());
    copy(from.blocks(), image.blocks());
    copy(from.ids(), image.ids());
    craft(image);
    test::value_of(image.seal(from.quantiser().digest + digest_change));
    return SegmentImage::open(path);
  }

  void expect_refused(const Craft& craft, const char* why, uint64_t digest_change = 0,
                      const std::function<void(SegmentCounts&)>& recount = {}) {
    const auto opened = open_crafted(craft, digest_change, recount);
    ASSERT_FALSE(opened);
    EXPECT_EQ(opened.error().kind, IndexError::Kind::kCorrupt);
    EXPECT_THAT(opened.error().message, HasSubstr(why));
  }

  static inline std::unique_ptr<Segment> whole_;
  test::ScratchDirectory scratch_;
};

TEST_F(CraftedSegment, UnchangedIsOpened) {
  EXPECT_TRUE(open_crafted([](SegmentImage&) {}));
}

TEST_F(CraftedSegment, ListsAreRunsOfItsBlocks) {
  constexpr const char* kWhy = "its lists are not in order";
  expect_refused([](SegmentImage& image) { image.list_begin()[0] = 1; }, kWhy);
  expect_refused([](SegmentImage& image) { image.list_begin()[5] = 0xFFFFFFFF; }, kWhy);
  expect_refused([](SegmentImage& image) { image.list_begin().back() += 1; }, kWhy);
  expect_refused([](SegmentImage& image) { image.list_begin().back() -= 1; }, kWhy);
  expect_refused(
      [](SegmentImage& image) { std::swap(image.list_begin()[3], image.list_begin()[9]); }, kWhy);
}

TEST_F(CraftedSegment, SlotsGrowAndCountWhatThereIs) {
  constexpr const char* kWhy = "its slots are not in order";
  expect_refused([](SegmentImage& image) { image.slots()[1].slot = image.slots()[0].slot; }, kWhy);
  expect_refused([](SegmentImage& image) { std::swap(image.slots()[1], image.slots()[4]); }, kWhy);
  expect_refused([](SegmentImage& image) { image.slots().back().slot = 0xFFFFFFFF; }, kWhy);
  expect_refused([](SegmentImage& image) { image.slots()[2].item_count = kItemsMax + 1; }, kWhy);
  expect_refused([](SegmentImage& image) { image.slots()[2].informative_items = 1U << 30; }, kWhy);
  expect_refused([](SegmentImage& image) { image.slots()[2].window_count += 1; }, kWhy);
  expect_refused(
      [](SegmentImage& image) {
        image.slots()[2].window_count += 1U << 31;
        image.slots()[3].window_count -= 1U << 31;
      },
      kWhy);
}

TEST_F(CraftedSegment, CentroidsAreTheListsByNumber) {
  constexpr const char* kWhy = "its quantiser is not in order";
  expect_refused([](SegmentImage& image) { image.leader_begin()[2] = 0xFFFFFFFF; }, kWhy);
  expect_refused([](SegmentImage& image) { image.leader_begin().back() += 1; }, kWhy);
  expect_refused([](SegmentImage& image) { image.centroid_ids()[0] = 1 << 20; }, kWhy);
  expect_refused([](SegmentImage& image) { image.centroid_ids()[0] = -1; }, kWhy);
  expect_refused([](SegmentImage& image) { image.centroid_ids()[0] = kNoId; }, kWhy);
  expect_refused([](SegmentImage& image) { image.centroid_ids()[1] = 0; }, kWhy);
  expect_refused([](SegmentImage& image) { image.leaders()[0] = {}; }, kWhy);
  expect_refused([](SegmentImage&) {}, kWhy, 1);  // the digest of another quantiser
}

TEST_F(CraftedSegment, CountsFitEachOther) {
  const auto nothing = [](SegmentImage&) {};
  expect_refused(nothing, "it counts what cannot be", 0,
                 [](SegmentCounts& counts) { counts.windows = counts.blocks * 8 + 1; });
  expect_refused([](SegmentImage& image) { image.list_begin().back() = 0; },
                 "its lists are not in order", 0, [](SegmentCounts& counts) { counts.lists += 1; });
  expect_refused(
      [](SegmentImage& image) {
        image.list_begin().back() = static_cast<uint32_t>(image.counts().blocks);
      },
      "its quantiser is not in order", 0, [](SegmentCounts& counts) { counts.lists += 1; });
  expect_refused(
      [](SegmentImage& image) {
        std::ranges::fill(image.list_begin(), static_cast<uint32_t>(image.counts().blocks));
        image.list_begin()[0] = 0;
      },
      "its quantiser is not in order", 0, [](SegmentCounts& counts) { counts.leaders = 0; });
}

// Which checksums that are right do not tell: such windows are left out when it is merged.
TEST_F(CraftedSegment, IdsOfAnotherBandHarmNoMerge) {
  constexpr WindowId kBandBits = 15;
  const size_t changed = 100;
  ASSERT_TRUE(open_crafted([](SegmentImage& image) {
    for (WindowId& id : image.ids().first(changed)) {
      const WindowPlace place = place_of(id);
      id = id_of({place.slot, static_cast<Band>(kBandBits), place.item});
    }
  }));
  const auto opened = test::value_of(Segment::open(scratch_.path() / "1.segment"));
  const Segment merged(std::vector{opened}, [](Slot) { return true; });
  EXPECT_EQ(merged.window_count(), whole_->window_count() - changed);
}

}  // namespace
}  // namespace soundgate
