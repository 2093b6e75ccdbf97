// Items taken as they come are those that Chromaprint makes of the whole.

#include "fingerprint/chroma/chroma.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <random>

#include "fingerprint/decode/worker/item_stream.h"

namespace soundgate {
namespace {

constexpr size_t kSamples = 40 * kSampleRateHz;

std::vector<int16_t> music() {
  std::mt19937 random(5);
  std::vector<int16_t> samples(kSamples);
  double hz = 440;
  for (size_t i = 0; i < samples.size(); ++i) {
    if (i % 5000 == 0) hz = 110 * std::exp2(static_cast<double>(random() % 36) / 12);
    const double tone = std::sin(2 * M_PI * hz * static_cast<double>(i) / kSampleRateHz);
    samples[i] = static_cast<int16_t>(12000 * tone + static_cast<double>(random() % 1000));
  }
  return samples;
}

std::vector<Item> at_once(std::span<const int16_t> samples) {
  Chroma chroma;
  chroma.feed(samples);
  chroma.finish();
  std::vector<Item> items;
  chroma.take(items);
  return items;
}

TEST(Chroma, MakesTheSameItemsOfPieces) {
  const std::vector<int16_t> samples = music();
  const std::vector<Item> expected = at_once(samples);
  ASSERT_GT(expected.size(), 290u);
  for (const size_t piece : {size_t{1}, size_t{288}, size_t{5000}, size_t{40'000}}) {
    Chroma chroma;
    std::vector<Item> items;
    for (size_t at = 0; at < samples.size(); at += piece) {
      chroma.feed(std::span(samples).subspan(at, std::min(piece, samples.size() - at)));
      chroma.take(items);
    }
    chroma.finish();
    chroma.take(items);
    EXPECT_EQ(items, expected) << piece;
  }
}

TEST(Chroma, MakesNothingOfTooLittle) {
  EXPECT_TRUE(at_once(std::vector<int16_t>(2 * kSampleRateHz)).empty());
}

TEST(Chroma, MakesAnItemPerHopFromTheFirstOn) {
  const auto count = [](int samples) {
    return at_once(std::vector<int16_t>(static_cast<size_t>(samples))).size();
  };
  EXPECT_EQ(count(kFirstItemSamples - 1), 0U);
  EXPECT_EQ(count(kFirstItemSamples), 1U);
  EXPECT_EQ(count(kFirstItemSamples + 100 * kHopSamples - 1), 100U);
  EXPECT_EQ(count(kFirstItemSamples + 100 * kHopSamples), 101U);
}

TEST(Chroma, KnowsSilence) {
  EXPECT_THAT(at_once(std::vector<int16_t>(10 * kSampleRateHz)), testing::Each(kSilenceItem));
}

TEST(ItemStream, KeepsToItsGridBehindAGap) {
  const std::vector<int16_t> samples = music();
  const std::vector<Item> expected = at_once(samples);
  std::vector<Item> items(expected.size(), 0);
  uint32_t made = 0;
  decode::ItemStream stream([&](uint32_t first, std::span<const Item> some) {
    ASSERT_LE(first + some.size(), items.size());
    std::copy(some.begin(), some.end(), items.begin() + first);
    made += static_cast<uint32_t>(some.size());
  });
  const size_t gap_begin = 12 * kSampleRateHz + 77;
  const size_t gap_end = 20 * kSampleRateHz + 123;
  stream.feed(std::span(samples).first(gap_begin));
  stream.jump_to(gap_end);
  stream.feed(std::span(samples).subspan(gap_end));
  stream.finish();

  const auto missing = static_cast<double>(expected.size() - made);
  EXPECT_NEAR(missing * kItemSeconds, 8 + 2.7, 0.4);  // an item needs 2.7 s
  EXPECT_NEAR(stream.gap_seconds(), 8, 0.01);
  EXPECT_NEAR(stream.decoded_seconds(), 32, 0.01);
  for (size_t i = 0; i < items.size(); ++i) {
    EXPECT_TRUE(items[i] == 0 || items[i] == expected[i]) << i;
  }
}

}  // namespace
}  // namespace soundgate
