// Bytes that come again are compared, wherever that is possible.
#include "dataplane/gate/seen_bytes.h"

#include <gtest/gtest.h>

#include <string>

namespace soundgate {
namespace {

constexpr uint64_t kWindow = kSeenBlocksPerResourceMax * kSeenBlockBytes;

std::string text(size_t bytes) {
  std::string out;
  for (size_t i = 0; i < bytes; ++i) out += static_cast<char>(i * 2'654'435'761u >> 13);
  return out;
}

struct Seen {
  explicit Seen(size_t blocks = 4'096) : pool(blocks, 0x1234'5678'9abc'def0) {}
  ~Seen() { bytes.clear(pool); }

  // Takes it in pieces; how many bytes were new, or -1 where one differs.
  int64_t take(std::string_view from, size_t piece = 1'000) {
    int64_t fresh = 0;
    for (size_t at = 0; at < from.size(); at += piece) {
      const auto some = bytes.take(pool, std::as_bytes(std::span(from.substr(at, piece))));
      if (!some) return -1;
      fresh += static_cast<int64_t>(some->size());
    }
    return fresh;
  }

  SeenPool pool;
  SeenBytes bytes;
};

TEST(SeenBytes, AreTakenOnce) {
  const std::string all = text(10'000);
  Seen seen;
  EXPECT_EQ(seen.take(all), 10'000);
  for (const uint64_t from : {0u, 1u, 4'095u, 4'096u, 9'999u, 10'000u}) {
    ASSERT_TRUE(seen.bytes.go_to(from));
    EXPECT_EQ(seen.take(std::string_view(all).substr(from)), 0) << from;
  }
  EXPECT_FALSE(seen.bytes.go_to(10'001));
}

TEST(SeenBytes, EveryByteThatDiffersIsFound) {
  const std::string all = text(9'000);
  for (size_t at = 0; at < all.size(); at += 37) {
    Seen seen;
    seen.take(all);
    std::string other = all;
    other[at] = static_cast<char>(other[at] ^ 1);
    ASSERT_TRUE(seen.bytes.go_to(0));
    EXPECT_EQ(seen.take(other), -1) << at;
  }
}

TEST(SeenBytes, BeyondTheWindowADigestIsCompared) {
  const std::string all = text(3 * kWindow + 123);
  Seen seen;
  seen.take(all, 65'535);
  ASSERT_TRUE(seen.bytes.go_to(0));
  EXPECT_EQ(seen.take(all, 999), 0);
  ASSERT_TRUE(seen.bytes.go_to(all.size() - kWindow / 2));
  EXPECT_FALSE(seen.bytes.go_to(1));  // nothing is known to compare that with
  for (const size_t at : {size_t{0}, size_t{kWindow}, all.size() - 2 * kWindow, all.size() - 1}) {
    Seen other_seen;
    other_seen.take(all, 65'535);
    std::string other = all;
    other[at] = static_cast<char>(other[at] ^ 0x40);
    ASSERT_TRUE(other_seen.bytes.go_to(0));
    EXPECT_EQ(other_seen.take(other), -1) << at;
  }
}

TEST(SeenBytes, AComparisonMayGoOnInALaterPartAndNowhereElse) {
  const std::string all = text(3 * kWindow);
  Seen seen;
  seen.take(all, 65'535);
  ASSERT_TRUE(seen.bytes.go_to(0));
  EXPECT_EQ(seen.take(std::string_view(all).substr(0, 1'000)), 0);
  EXPECT_FALSE(seen.bytes.go_to(0));
  EXPECT_FALSE(seen.bytes.go_to(all.size()));
  seen.bytes.confirm(seen.pool, all.size());  // no: that may be others' bytes
  EXPECT_FALSE(seen.bytes.go_to(all.size()));
  ASSERT_TRUE(seen.bytes.go_to(1'000));
  EXPECT_EQ(seen.take(std::string_view(all).substr(1'000)), 0);
  EXPECT_TRUE(seen.bytes.go_to(all.size()));
}

TEST(SeenBytes, WhatTheOriginHasIsForgotten) {
  const std::string all = text(20'000);
  Seen seen;
  seen.take(std::string_view(all).substr(0, 15'000));
  seen.bytes.confirm(seen.pool, 5'000);
  EXPECT_EQ(seen.bytes.block_count(), 3u);
  EXPECT_FALSE(seen.bytes.go_to(4'999));
  ASSERT_TRUE(seen.bytes.go_to(5'000));
  EXPECT_EQ(seen.take(std::string_view(all).substr(5'000)), 5'000);
  seen.bytes.confirm(seen.pool, 20'000);
  EXPECT_EQ(seen.bytes.block_count(), 0u);
  EXPECT_EQ(seen.pool.free_count(), seen.pool.count());
  ASSERT_TRUE(seen.bytes.go_to(20'000));
  EXPECT_EQ(seen.take("more"), 4);
  ASSERT_TRUE(seen.bytes.go_to(20'001));
  EXPECT_EQ(seen.take("ore"), 0);
  ASSERT_TRUE(seen.bytes.go_to(20'000));
  EXPECT_EQ(seen.take("mare"), -1);
}

TEST(SeenBytes, WithoutRoomEverythingIsInTheDigest) {
  const std::string all = text(50'000);
  Seen seen(0);
  EXPECT_EQ(seen.take(all), 50'000);
  ASSERT_TRUE(seen.bytes.go_to(0));
  EXPECT_EQ(seen.take(all), 0);
  std::string other = all;
  other[49'999] = 'X';
  ASSERT_TRUE(seen.bytes.go_to(0));
  EXPECT_EQ(seen.take(other), -1);
}

TEST(SeenBytes, ShareAPoolFairly) {
  SeenPool pool(160, 1);
  SeenBytes first;
  SeenBytes second;
  const std::string all = text(160 * kSeenBlockBytes);
  EXPECT_TRUE(first.take(pool, std::as_bytes(std::span(all))));
  EXPECT_LE(first.block_count(), 160 / kSeenPoolShare + 1);
  EXPECT_TRUE(second.take(pool, std::as_bytes(std::span(all))));
  EXPECT_GE(second.block_count(), 160 / kSeenPoolShare - 2);
  first.clear(pool);
  second.clear(pool);
  EXPECT_EQ(pool.free_count(), pool.count());
}

TEST(SeenBytes, WhatIsNotKeptAnyMoreIsNotTheSame) {
  const std::string all = text(5 * kSeenBlockBytes);
  Seen seen;
  seen.take(all);
  EXPECT_TRUE(seen.bytes.go_to(10));
  seen.bytes.confirm(seen.pool, 2 * kSeenBlockBytes);
  EXPECT_EQ(seen.take(all.substr(10, 100)), -1);
}

}  // namespace
}  // namespace soundgate
