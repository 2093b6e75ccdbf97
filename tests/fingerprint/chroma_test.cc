// Items are those that Chromaprint makes, however the samples come; bands hear only their part.

#include "fingerprint/chroma/chroma.h"

#include <chromaprint.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <bit>
#include <cmath>
#include <map>
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
  std::vector<Item> items;
  chroma.take(Band::kFull, items);
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
      chroma.take(Band::kFull, items);
    }
    EXPECT_EQ(items, expected) << piece;
  }
}

std::vector<Item> of_chromaprint(std::span<const int16_t> samples) {
  ChromaprintContext* context = chromaprint_new(kAlgorithm);
  chromaprint_start(context, kSampleRateHz, 1);
  chromaprint_feed(context, samples.data(), static_cast<int>(samples.size()));
  chromaprint_finish(context);
  uint32_t* items = nullptr;
  int count = 0;
  chromaprint_get_raw_fingerprint(context, &items, &count);
  std::vector<Item> copy(items, items + count);
  chromaprint_dealloc(items);
  chromaprint_free(context);
  return copy;
}

int differing_bits(std::span<const Item> some, std::span<const Item> others) {
  EXPECT_EQ(some.size(), others.size());
  int bits = 0;
  for (size_t i = 0; i < std::min(some.size(), others.size()); ++i) {
    bits += std::popcount(some[i] ^ others[i]);
  }
  return bits;
}

TEST(Chroma, MakesTheItemsOfChromaprint) {
  const std::vector<int16_t> samples = music();
  EXPECT_LE(differing_bits(at_once(samples), of_chromaprint(samples)), 1);
  std::vector<int16_t> quiet(samples);
  for (int16_t& sample : quiet) sample = static_cast<int16_t>(sample / 3000);  // next to nothing
  EXPECT_LE(differing_bits(at_once(quiet), of_chromaprint(quiet)), 1);
  std::mt19937 random(6);
  std::vector<int16_t> noise(samples.size());
  for (int16_t& sample : noise) sample = static_cast<int16_t>(random());
  EXPECT_LE(differing_bits(at_once(noise), of_chromaprint(noise)), 1);
}

std::vector<int16_t> sum(std::span<const int16_t> some, std::span<const int16_t> others) {
  std::vector<int16_t> both;
  for (size_t i = 0; i < some.size(); ++i) {
    both.push_back(static_cast<int16_t>(some[i] / 2 + others[i] / 2));
  }
  return both;
}

// Notes from this one on, of an octave.
std::vector<int16_t> notes(double lowest_hz, unsigned seed) {
  std::mt19937 random(seed);
  std::vector<int16_t> samples(kSamples);
  double hz = lowest_hz, phase = 0;
  for (size_t i = 0; i < samples.size(); ++i) {
    if (i % 5000 == 0) hz = lowest_hz * std::exp2(static_cast<double>(random() % 12) / 12);
    phase += 2 * M_PI * hz / kSampleRateHz;
    samples[i] = static_cast<int16_t>(12000 * std::sin(phase));
  }
  return samples;
}

std::vector<Item> of_band(Band band, std::span<const int16_t> samples) {
  Chroma chroma(kAllBands);
  chroma.feed(samples);
  std::vector<Item> items;
  chroma.take(band, items);
  return items;
}

TEST(Chroma, HearsInABandOnlyWhatIsInIt) {
  const auto low = notes(70, 1), high = notes(600, 2);
  const auto both = sum(low, high);
  const int bits = 32 * static_cast<int>(at_once(both).size());
  const auto share = [&](Band band, std::span<const int16_t> alone) {
    return differing_bits(of_band(band, both), of_band(band, alone)) / static_cast<double>(bits);
  };
  EXPECT_LT(share(Band::kBass, low), 0.02);
  EXPECT_LT(share(Band::kTreble, high), 0.02);
  EXPECT_GT(share(Band::kFull, low), 0.1);
  EXPECT_GT(share(Band::kFull, high), 0.1);
  EXPECT_EQ(of_band(Band::kFull, both), at_once(both));
}

// What a window leaks of a tone into other bins is no bass, though it changes with the tone's
// phase.
TEST(Chroma, HearsNoBassInATone) {
  std::vector<int16_t> samples(kSamples);
  for (size_t i = 0; i < samples.size(); ++i) {
    samples[i] = static_cast<int16_t>(
        12000 * std::sin(2 * M_PI * 440 * static_cast<double>(i) / kSampleRateHz));
  }
  Chroma chroma(kAllBands);
  chroma.feed(samples);
  std::vector<Item> bass, treble;
  chroma.take(Band::kBass, bass);
  chroma.take(Band::kTreble, treble);
  EXPECT_THAT(bass, testing::Each(kSilenceItem));
  EXPECT_THAT(treble, testing::Contains(testing::Ne(kSilenceItem)));
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
  std::map<int, size_t> counts;
  decode::ItemStream stream([&](int view, uint32_t first, std::span<const Item> some) {
    counts[view] += some.size();
    if (view != kPlainView) return;
    ASSERT_LE(first + some.size(), items.size());
    std::copy(some.begin(), some.end(), items.begin() + first);
    made += static_cast<uint32_t>(some.size());
  });
  const size_t gap_begin = 12 * kSampleRateHz + 77;
  const size_t gap_end = 20 * kSampleRateHz + 123;
  stream.feed(std::span(samples).first(gap_begin));
  stream.jump_to(gap_end, decode::ItemStream::Jump::kMissing);
  stream.feed(std::span(samples).subspan(gap_end));

  stream.finish();
  for (const Band band : kAllBands) EXPECT_EQ(counts[view_of(band)], made);
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
