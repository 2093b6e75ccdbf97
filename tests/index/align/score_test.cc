#include "index/align/score.h"

#include <gtest/gtest.h>

#include "tests/index/synthetic.h"

namespace soundgate {
namespace {

Similarity compare(const std::vector<Item>& query, const std::vector<Item>& reference) {
  Comparison comparison;
  for (size_t i = 0; i < query.size(); ++i) comparison.add(query[i], reference[i]);
  return comparison.similarity();
}

TEST(Score, IdenticalIsOne) {
  const auto track = test::make_track(1, 60);
  EXPECT_DOUBLE_EQ(compare(track, track).score, 1);
}

TEST(Score, UnrelatedIsAboutZero) {
  EXPECT_NEAR(compare(test::make_track(1, 60), test::make_track(2, 60)).score, 0, 0.1);
}

TEST(Score, ErrorsLowerIt) {
  const auto track = test::make_track(1, 60);
  const Similarity similarity = compare(track, test::with_errors(track, 0.1));
  EXPECT_NEAR(similarity.bit_error_rate, 0.1, 0.01);
  EXPECT_NEAR(similarity.chance, 0.5, 0.06);
  EXPECT_NEAR(similarity.score, 0.8, 0.03);
}

// Two drones on nearby notes: 24 of their bits are constant and the same in both.
TEST(Score, AgreementOfConstantBitsProvesNothing) {
  auto drone = test::make_track(1, 60);
  auto other = test::make_track(2, 60);
  for (Item& item : drone) item = 0xabcdef00 | (item & 0xff);
  for (Item& item : other) item = 0xabcdef00 | (item & 0xff);
  const Similarity similarity = compare(drone, other);
  EXPECT_LT(similarity.bit_error_rate, 0.15);  // which plain error rates would call a match
  EXPECT_LT(similarity.score, 0.15);
}

TEST(Score, ConstantStretchesProveNothing) {
  const std::vector<Item> silence(100, kSilenceItem);
  EXPECT_EQ(compare(silence, silence).score, 0);
  EXPECT_EQ(compare({}, {}).score, 0);
}

// Loud, then silent, both: that they fall silent together is no likeness of the rest.
TEST(Score, FrequenciesAreTakenBlockByBlock) {
  const std::vector<Item> silence(970, kSilenceItem);
  const auto left = test::operator+(test::make_track(1, 120), silence);
  const auto right = test::operator+(test::make_track(2, 120), silence);
  EXPECT_NEAR(compare(left, right).score, 0, 0.1);
}

}  // namespace
}  // namespace soundgate
