#include "index/search/distance.h"

#include <gtest/gtest.h>

#include <bit>
#include <random>
#include <vector>

namespace soundgate {
namespace {

std::vector<WindowBlock> random_blocks(size_t count, std::mt19937_64& random) {
  std::vector<WindowBlock> blocks(count);
  for (WindowBlock& block : blocks) {
    for (auto& word : block.words) {
      for (uint64_t& lane : word) lane = random();
    }
  }
  return blocks;
}

uint32_t naive_distance(const Window& query, const WindowBlock& block, size_t lane) {
  uint32_t distance = 0;
  for (size_t w = 0; w < kWindowWords; ++w) {
    distance += static_cast<uint32_t>(std::popcount(query[w] ^ block.words[w][lane]));
  }
  return distance;
}

class EveryKernel : public testing::TestWithParam<NamedKernel> {};

TEST_P(EveryKernel, AgreesWithTheNaiveOne) {
  std::mt19937_64 random(7);
  std::vector<WindowBlock> blocks = random_blocks(50, random);
  Window query;
  for (uint64_t& word : query) word = random();
  for (size_t w = 0; w < kWindowWords; ++w) blocks[3].words[w][5] = query[w];   // distance 0
  for (size_t w = 0; w < kWindowWords; ++w) blocks[4].words[w][0] = ~query[w];  // distance 512

  for (const uint32_t radius : {0U, 1U, 240U, 256U, 512U, 513U}) {
    std::vector<Near> near(blocks.size() * kBlockWindows);
    near.resize(GetParam().scan(query, blocks, radius, near.data()));
    size_t at = 0;
    for (size_t i = 0; i < blocks.size() * kBlockWindows; ++i) {
      const uint32_t distance = naive_distance(query, blocks[i / kBlockWindows], i % kBlockWindows);
      if (distance >= radius) continue;
      ASSERT_LT(at, near.size());
      EXPECT_EQ(near[at].index, i);
      EXPECT_EQ(near[at].distance, distance);
      ++at;
    }
    EXPECT_EQ(at, near.size()) << "radius " << radius;
  }
}

INSTANTIATE_TEST_SUITE_P(, EveryKernel,
                         testing::ValuesIn(distance_kernels().begin(), distance_kernels().end()),
                         [](const auto& parameter) { return std::string(parameter.param.name); });

TEST(ItemDistances, AgreeWithTheNaiveOnes) {
  std::mt19937 random(3);
  std::vector<Item> left(100), right(100);
  for (Item& item : left) item = static_cast<Item>(random());
  for (Item& item : right) item = static_cast<Item>(random());
  right[7] = left[7];
  right[8] = ~left[8];
  std::vector<uint8_t> distances(100);
  item_distances(left, right, distances);
  for (size_t i = 0; i < left.size(); ++i) {
    EXPECT_EQ(distances[i], std::popcount(left[i] ^ right[i]));
  }
}

}  // namespace
}  // namespace soundgate
