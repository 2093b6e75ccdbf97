#include "index/search/flat_index.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <bit>
#include <random>

namespace soundgate {
namespace {

// Few bits are ever set, so that distances tie and crowd below any radius.
std::vector<Window> sparse_windows(size_t count, uint64_t seed) {
  std::mt19937_64 random(seed);
  std::vector<Window> windows(count);
  for (Window& window : windows) {
    for (uint64_t& word : window) word = random() & random() & random();
  }
  return windows;
}

const uint8_t* bytes_of(const std::vector<Window>& windows) {
  return reinterpret_cast<const uint8_t*>(windows.data());
}

std::vector<int32_t> nearest_distances(const Window& query, const std::vector<Window>& windows,
                                       size_t first, size_t k, uint32_t radius) {
  std::vector<int32_t> distances;
  for (size_t i = first; i < windows.size(); ++i) {
    int distance = 0;
    for (size_t w = 0; w < kWindowWords; ++w) distance += std::popcount(query[w] ^ windows[i][w]);
    if (distance < static_cast<int>(radius)) distances.push_back(distance);
  }
  std::ranges::sort(distances);
  distances.resize(std::min(distances.size(), k));
  return distances;
}

TEST(FlatIndex, FindsTheNearestWithinTheRadius) {
  const std::vector<Window> windows = sparse_windows(2003, 1);  // several tiles, a part of a block
  const std::vector<Window> queries = sparse_windows(9, 2);
  FlatIndex index;
  index.add(1000, bytes_of(windows));
  index.add(1003, bytes_of(windows) + 1000 * sizeof(Window));
  ASSERT_EQ(index.ntotal, 2003);

  constexpr size_t kNearest = 10;
  for (const size_t first : {size_t{0}, size_t{999}, size_t{2000}}) {
    for (const uint32_t radius : {90U, 110U, 513U}) {
      FlatSearchParameters limits;
      limits.first = first;
      limits.radius = radius;
      std::vector<int32_t> distances(queries.size() * kNearest);
      std::vector<faiss::Index::idx_t> labels(queries.size() * kNearest);
      index.search(static_cast<faiss::Index::idx_t>(queries.size()), bytes_of(queries), kNearest,
                   distances.data(), labels.data(), &limits);
      for (size_t q = 0; q < queries.size(); ++q) {
        const auto expected = nearest_distances(queries[q], windows, first, kNearest, radius);
        for (size_t i = 0; i < kNearest; ++i) {
          const auto label = labels[q * kNearest + i];
          if (i >= expected.size()) {
            EXPECT_EQ(label, -1);
            continue;
          }
          ASSERT_GE(label, static_cast<faiss::Index::idx_t>(first));
          EXPECT_EQ(distances[q * kNearest + i], expected[i]);
        }
      }
    }
  }
}

TEST(FlatIndex, GivesBackWhatWasAdded) {
  const std::vector<Window> windows = sparse_windows(13, 3);
  FlatIndex index;
  index.add(13, bytes_of(windows));
  for (int i = 0; i < 13; ++i) {
    Window window;
    index.reconstruct(i, reinterpret_cast<uint8_t*>(window.data()));
    EXPECT_EQ(window, windows[static_cast<size_t>(i)]);
  }
  index.reset();
  EXPECT_EQ(index.ntotal, 0);
}

}  // namespace
}  // namespace soundgate
