// A table that several threads write without waiting: nobody ever sees half an entry.
#include <gtest/gtest.h>

#include <thread>

#include "dataplane/gate/shared_resources.h"

namespace soundgate {
namespace {

using std::chrono::seconds;

ResourceKey key(uint64_t number) { return {number * 2 + 1, number}; }

TEST(SharedTable, KeepsUntilItsTime) {
  SharedTable<TusEndpoint> table(64);
  EXPECT_FALSE(table.find(key(1), seconds(1)));
  EXPECT_TRUE(table.put(key(1), {.seen = 5}, seconds(1), seconds(10)));
  EXPECT_EQ(table.find(key(1), seconds(9))->seen, 5u);
  EXPECT_FALSE(table.find(key(1), seconds(10)));
  EXPECT_TRUE(table.put(key(1), {.seen = 6}, seconds(11), seconds(20)));
  EXPECT_EQ(table.find(key(1), seconds(12))->seen, 6u);
  table.erase(key(1));
  EXPECT_FALSE(table.find(key(1), seconds(12)));
}

TEST(SharedTable, WhatExpiresFirstMakesRoom) {
  SharedTable<TusEndpoint> table(kSharedWays);
  for (uint64_t i = 0; i <= kSharedWays; ++i) {
    EXPECT_TRUE(table.put(key(i), {.seen = i}, seconds(1), seconds(100 + i)));
  }
  EXPECT_FALSE(table.find(key(0), seconds(2)));
  for (uint64_t i = 1; i <= kSharedWays; ++i) EXPECT_TRUE(table.find(key(i), seconds(2))) << i;
}

TEST(SharedTable, OneOfManyClaims) {
  SharedTable<CreatedResource> table(64);
  for (uint64_t round = 0; round < 200; ++round) {
    table.put(key(round), {}, seconds(1), seconds(10));
    std::atomic<int> claims{0};
    std::vector<std::jthread> threads;
    for (uint32_t lcore = 0; lcore < 4; ++lcore) {
      threads.emplace_back([&, lcore] {
        const bool mine = table.update(key(round), seconds(2), [&](CreatedResource& resource) {
          if (resource.owner != CreatedResource::kNobody) return false;
          resource.owner = lcore;
          return true;
        });
        if (mine) ++claims;
      });
    }
    threads.clear();
    EXPECT_LE(claims, 1);
  }
}

TEST(SharedTable, NobodySeesHalfAnEntry) {
  SharedTable<RefusedResource> table(kSharedWays);
  std::atomic<bool> done{false};
  std::vector<std::jthread> writers;
  for (char letter : {'a', 'b', 'c'}) {
    writers.emplace_back([&, letter] {
      RefusedResource value{.upload = UploadKey{static_cast<uint64_t>(letter)}};
      std::fill_n(value.upload_id, 39, letter);
      while (!done) table.put(key(1), value, seconds(1), seconds(10));
    });
  }
  for (int i = 0; i < 200'000; ++i) {
    const auto found = table.find(key(1), seconds(2));
    if (!found) continue;
    const auto letter = static_cast<char>(found->upload);
    ASSERT_EQ(std::string(found->upload_id), std::string(39, letter));
    if (i % 1'000 == 0) {
      table.erase_all([](const RefusedResource& r) { return r.upload == UploadKey{'a'}; });
    }
  }
  done = true;
}

}  // namespace
}  // namespace soundgate
