#include "index/align/query.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "index/limits.h"

namespace soundgate {
namespace {

using testing::ElementsAre;

TEST(Query, JoinsWhatIsContiguous) {
  Query query;
  query.append(0, std::vector<Item>{1, 2});
  query.append(2, std::vector<Item>{3});
  EXPECT_THAT(query.items(), ElementsAre(1, 2, 3));
  EXPECT_TRUE(query.is_known(0, 3));
  EXPECT_FALSE(query.is_known(0, 4));  // has not come yet
}

TEST(Query, KnowsItsGaps) {
  Query query;
  query.append(2, std::vector<Item>{1, 2});
  query.append(6, std::vector<Item>{3, 4});
  EXPECT_EQ(query.size(), 8U);
  EXPECT_FALSE(query.is_known(0));
  EXPECT_TRUE(query.is_known(2, 4));
  EXPECT_FALSE(query.is_known(3, 5));
  EXPECT_FALSE(query.is_known(4, 6));
  EXPECT_FALSE(query.is_known(0, 8));
  EXPECT_TRUE(query.is_known(6, 8));
}

TEST(Query, TheFirstOfTwoCounts) {
  Query query;
  query.append(0, std::vector<Item>{1, 2, 3});
  query.append(1, std::vector<Item>{9, 9});
  query.append(2, std::vector<Item>{9, 4});
  EXPECT_THAT(query.items(), ElementsAre(1, 2, 3, 4));
}

TEST(Query, IsBounded) {
  Query query;
  query.append(kItemsMax - 1, std::vector<Item>{1, 2, 3});
  EXPECT_EQ(query.size(), kItemsMax);
  query.append(kItemsMax, std::vector<Item>{4});
  query.append(UINT32_MAX, std::vector<Item>{5, 6});
  EXPECT_EQ(query.size(), kItemsMax);
}

}  // namespace
}  // namespace soundgate
