// Candidates: what makes a sparse pass look closer, long before it is certain.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "index/index.h"
#include "tests/index/synthetic.h"

namespace soundgate {
namespace {

using test::bank_named;
using test::make_track;
using test::request_of;
using test::slice;
using test::value_of;
using test::with_errors;
using testing::IsEmpty;

constexpr uint32_t kStretchItems = 39;  // 7.5 s, a quarter of 30
constexpr uint32_t kPeriodItems = 242;
constexpr size_t kPiece = 24;

class CandidateTest : public testing::Test {
 protected:
  void SetUp() override {
    value_of(index_->create_bank(bank_named("spam")));
    for (uint64_t seed = 1; seed <= 20; ++seed) {
      value_of(index_->enroll(request_of(std::to_string(seed), make_track(seed, 240))));
    }
  }

  // Stretches of the items, a piece at a time; how many items of the upload had gone by when there
  // was a candidate. Nothing: never.
  static std::optional<uint32_t> candidate_at(MatchSession& session, const std::vector<Item>& items,
                                              int view = kPlainView) {
    for (uint32_t begin = 0; begin + kStretchItems <= items.size(); begin += kPeriodItems) {
      for (uint32_t i = 0; i < kStretchItems; i += kPiece) {
        const size_t count = std::min<size_t>(kPiece, kStretchItems - i);
        session.append_view(view, begin + i, slice(items, begin + i, count));
        if (session.has_candidate()) return begin + i + static_cast<uint32_t>(count);
      }
    }
    return std::nullopt;
  }
  std::optional<uint32_t> candidate_at(const std::vector<Item>& items) {
    return candidate_at(*index_->match(), items);
  }

  test::ScratchDirectory scratch_;
  std::unique_ptr<Index> index_ = test::open_index(scratch_.path());
};

TEST_F(CandidateTest, ACopyIsOneWithinItsFirstStretch) {
  for (uint64_t seed = 1; seed <= 20; ++seed) {
    const auto at = candidate_at(with_errors(slice(make_track(seed, 240), 11 * seed, 800), 0.05));
    ASSERT_TRUE(at) << seed;
    EXPECT_LE(*at, kStretchItems) << seed;
  }
}

TEST_F(CandidateTest, IsSaidBeforeItIsCertain) {
  const auto session = index_->match();
  const auto copy = with_errors(slice(make_track(7, 240), 100, kStretchItems), 0.2);
  session->append(0, slice(copy, 0, kPiece));
  session->append(kPiece, slice(copy, kPiece, kStretchItems - kPiece));
  EXPECT_TRUE(session->has_candidate());
  EXPECT_THAT(session->decisive(Action::kAllow), IsEmpty());
}

TEST_F(CandidateTest, UnrelatedAudioHasNone) {
  int candidates = 0;
  for (uint64_t seed = 100; seed < 150; ++seed) {
    candidates += candidate_at(make_track(seed, 600)) ? 1 : 0;
  }
  EXPECT_LE(candidates, 1);
}

TEST_F(CandidateTest, AnyBankMayHaveIt) {
  value_of(index_->create_bank(bank_named("watched", Action::kTrack)));
  value_of(index_->enroll(request_of("tracked", make_track(50, 240), "watched")));
  EXPECT_TRUE(candidate_at(make_track(50, 240)));
}

TEST_F(CandidateTest, WhatIsRemovedSuppressedOrPausedIsNone) {
  value_of(index_->remove("spam", "7"));
  value_of(index_->suppress("spam", "8", {"licensed", std::nullopt}));
  EXPECT_FALSE(candidate_at(make_track(7, 240)));
  EXPECT_FALSE(candidate_at(make_track(8, 240)));
  EXPECT_TRUE(candidate_at(make_track(9, 240)));
  Bank bank = bank_named("spam");
  bank.paused = true;
  value_of(index_->set_bank(bank));
  EXPECT_FALSE(candidate_at(make_track(9, 240)));
}

TEST_F(CandidateTest, AProbeHasOneForBanksThatAreProbed) {
  Bank bank = bank_named("probed");
  bank.probes = Probes::kNear;
  value_of(index_->create_bank(bank));
  value_of(index_->enroll(test::banded_request_of("sped up", make_track(60, 240), "probed")));
  EXPECT_TRUE(candidate_at(*index_->match(), make_track(60, 240), 2));
  EXPECT_FALSE(candidate_at(*index_->match(), make_track(9, 240), 2));
}

// Who asks has more searched, and finds no less.
TEST_F(CandidateTest, AskingChangesNothingOfWhatIsFound) {
  const auto track = make_track(7, 240);
  const auto session = index_->match();
  EXPECT_TRUE(candidate_at(*session, slice(track, 0, kStretchItems)));
  session->append(kPeriodItems, slice(track, kPeriodItems, 600));
  const auto matches = session->finish();
  ASSERT_EQ(matches.size(), 1u);
  EXPECT_EQ(matches[0].content_id, "7");
  EXPECT_GT(matches[0].query_match_seconds, 75);
}

// What was searched at once is known to have been: what is enrolled since is looked for in it.
TEST_F(CandidateTest, WhatIsEnrolledSinceIsFoundInWhatHasCome) {
  const auto session = index_->match();
  const auto track = make_track(70, 240);
  EXPECT_FALSE(candidate_at(*session, slice(track, 0, 600)));
  value_of(index_->enroll(request_of("late", track)));
  session->append(600, slice(track, 600, 1));
  EXPECT_TRUE(session->has_candidate());
}

}  // namespace
}  // namespace soundgate
