#include "index/align/aligner.h"

#include <gtest/gtest.h>

#include "index/align/limits.h"
#include "tests/index/synthetic.h"

namespace soundgate {
namespace {

using test::make_track;
using test::slice;
using test::with_errors;
using test::operator+;

Query query_of(const std::vector<Item>& items) {
  Query query;
  query.append(0, items);
  return query;
}

TEST(Aligner, FindsTheEndsOfAnEmbeddedStretch) {
  const auto reference = make_track(1, 120);
  const auto query =
      make_track(2, 20) + with_errors(slice(reference, 300, 200), 0.05) + make_track(3, 20);
  const auto lead = static_cast<uint32_t>(make_track(2, 20).size());
  const Candidate candidate{0, lead + 60, 300 - static_cast<int32_t>(lead) + 2, 1};  // 2 off
  const Alignment alignment = align(query_of(query), reference, candidate);
  EXPECT_NEAR(alignment.query_begin, lead, 2);
  EXPECT_NEAR(alignment.query_end, lead + 200, 2);
  EXPECT_NEAR(alignment.reference_begin, 300, 2);
  EXPECT_NEAR(alignment.reference_end, 500, 2);
  EXPECT_NEAR(alignment.bit_error_rate, 0.05, 0.02);
  EXPECT_GT(alignment.score, 0.8);
  EXPECT_DOUBLE_EQ(alignment.audio_speed, 1);
  EXPECT_TRUE(is_accepted(alignment));
}

TEST(Aligner, FollowsTempoDrift) {
  const auto reference = make_track(1, 120);
  std::vector<Item> query;  // 2 % faster: every 50th item is skipped
  for (size_t i = 0; i < reference.size(); ++i) {
    if (i % 50 != 49) query.push_back(reference[i]);
  }
  const Alignment alignment = align(query_of(query), reference, {0, 400, 8, 1});
  EXPECT_LE(alignment.query_begin, 2U);
  EXPECT_GE(alignment.query_end, query.size() - 2);
  EXPECT_NEAR(alignment.audio_speed, 1.02, 0.003);
  EXPECT_GT(alignment.score, 0.8);
}

TEST(Aligner, CrossesAGapInTheUpload) {
  const auto reference = make_track(1, 60);
  Query query;
  query.append(0, slice(reference, 0, 200));
  query.append(260, slice(reference, 260, 200));
  const Alignment alignment = align(query, reference, {0, 100, 0, 1});
  EXPECT_EQ(alignment.query_begin, 0U);
  EXPECT_EQ(alignment.query_end, 460U);
  EXPECT_NEAR(alignment.proving_items, 400, 15);  // what is missing proves nothing
  EXPECT_DOUBLE_EQ(alignment.score, 1);
}

TEST(Aligner, UnrelatedAudioIsNotAccepted) {
  for (uint64_t seed = 0; seed < 50; ++seed) {
    const Query query = query_of(make_track(100 + seed, 60));
    EXPECT_FALSE(is_accepted(align(query, make_track(200 + seed, 60), {0, 200, 0, 1})));
  }
}

TEST(Aligner, SharedSilenceIsNotAccepted) {
  const std::vector<Item> silence(500, kSilenceItem);
  const auto reference = make_track(1, 10) + silence + make_track(2, 10);
  const auto query = make_track(3, 10) + silence + make_track(4, 10);
  EXPECT_FALSE(is_accepted(align(query_of(query), reference, {0, 200, 0, 1})));
  EXPECT_FALSE(is_accepted(align(query_of(silence), silence, {0, 200, 0, 1})));
}

// A hostile index or candidate must not lead outside of either side.
TEST(Aligner, BearsCandidatesOutside) {
  const auto reference = make_track(1, 10);
  const Query query = query_of(make_track(1, 10));
  for (const int32_t offset : {-100000, -80, 80, 100000}) {
    EXPECT_FALSE(is_accepted(align(query, reference, {0, 0, offset, 1})));
  }
  EXPECT_FALSE(is_accepted(align(query, {}, {0, 0, 0, 1})));
}

TEST(SegmentOf, OuterEndsReachTheEndsOfTheAudio) {
  Alignment alignment;
  alignment.query_begin = 0;
  alignment.query_end = 100;
  alignment.reference_begin = 50;
  alignment.reference_end = 150;
  const MatchSegment whole = segment_of(alignment, 100, 1000);
  EXPECT_DOUBLE_EQ(whole.query_start, 0);
  EXPECT_NEAR(whole.query_end, 99 * kItemSeconds + 2.72, 0.01);
  EXPECT_NEAR(whole.asset_start, 50 * kItemSeconds, 0.01);
  const MatchSegment inner = segment_of(alignment, 500, 1000);
  EXPECT_NEAR(inner.query_end, 99 * kItemSeconds + kEndCutSeconds, 0.01);
}

}  // namespace
}  // namespace soundgate
