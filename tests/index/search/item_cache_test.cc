#include "index/search/item_cache.h"

#include <gtest/gtest.h>

#include "index/limits.h"

namespace soundgate {
namespace {

TEST(ItemCache, ReadsOnceAndForgetsWhatWasUsedLongAgo) {
  constexpr size_t kItems = kItemCacheBytes / sizeof(Item) / 4;  // four fit
  std::vector<int> reads(6);
  const ItemCache cache([&](uint32_t slot) -> IndexResult<BandedItems> {
    ++reads[slot];
    return BandedItems(std::vector<Item>(kItems, slot), 1);
  });
  for (const uint32_t slot : {0U, 1U, 2U, 3U, 0U})
    EXPECT_EQ(cache.items(slot)->all().front(), slot);
  EXPECT_EQ(reads, (std::vector{1, 1, 1, 1, 0, 0}));
  cache.items(4);  // 1 goes
  cache.items(0);
  EXPECT_EQ(reads, (std::vector{1, 1, 1, 1, 1, 0}));
  cache.items(1);
  EXPECT_EQ(reads, (std::vector{1, 2, 1, 1, 1, 0}));
}

TEST(ItemCache, TellsDamageFromWhatIsGone) {
  const ItemCache cache([](uint32_t slot) -> IndexResult<BandedItems> {
    const auto kind = slot == 1 ? IndexError::Kind::kNotFound : IndexError::Kind::kCorrupt;
    return tl::unexpected(IndexError{kind, "no"});
  });
  EXPECT_EQ(cache.items(1), nullptr);
  EXPECT_EQ(cache.failure_count(), 0);
  EXPECT_EQ(cache.items(2), nullptr);
  EXPECT_EQ(cache.failure_count(), 1);
}

}  // namespace
}  // namespace soundgate
