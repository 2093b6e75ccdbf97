// Early matches: told while the upload arrives, and undone by nothing that follows.
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
using test::operator+;
using testing::IsEmpty;
using testing::SizeIs;

constexpr size_t kPiece = 24;  // items, as the decoders hand them over

class EarlyTest : public testing::Test {
 protected:
  void SetUp() override {
    value_of(index_->create_bank(bank_named("spam")));
    for (uint64_t seed = 1; seed <= 20; ++seed) {
      value_of(index_->enroll(request_of(std::to_string(seed), make_track(seed, 240))));
    }
  }

  // One upload that arrives, and what is certain of it.
  struct Upload {
    std::unique_ptr<MatchSession> session;
    uint32_t items = 0;
    std::vector<Match> certain;  // as told last
    double certain_at = 0;       // seconds that had come when a match was told first

    void append(const std::vector<Item>& more, Action least = Action::kBlock) {
      for (size_t i = 0; i < more.size(); i += kPiece) {
        const auto piece = slice(more, i, std::min(kPiece, more.size() - i));
        session->append(items, piece);
        items += static_cast<uint32_t>(piece.size());
        look(least);
      }
    }
    void look(Action least) {
      auto told = session->decisive(least);
      if (told.empty()) return;
      if (certain.empty()) certain_at = items * kItemSeconds + kItemSpanSeconds;
      certain = std::move(told);
    }
  };
  Upload begin() {
    Upload upload;
    upload.session = index_->match();
    return upload;
  }

  test::ScratchDirectory scratch_;
  std::unique_ptr<Index> index_ = test::open_index(scratch_.path());
};

bool tells_at_least(const std::vector<Match>& all, const Match& certain) {
  return std::ranges::any_of(all, [&](const Match& match) {
    return match.bank.name == certain.bank.name && match.content_id == certain.content_id &&
           match.query_match_seconds >= certain.query_match_seconds &&
           match.asset_match_seconds >= certain.asset_match_seconds;
  });
}

TEST_F(EarlyTest, ACopyIsToldWithinSeconds) {
  Upload upload = begin();
  upload.append(with_errors(make_track(7, 240), 0.03));
  ASSERT_THAT(upload.certain, SizeIs(1));
  EXPECT_EQ(upload.certain[0].content_id, "7");
  EXPECT_EQ(upload.certain[0].title, "title of 7");
  EXPECT_GE(upload.certain[0].score, upload.certain[0].threshold);
  EXPECT_LT(upload.certain_at, 15);
  EXPECT_GT(upload.session->index_version(), 0);
}

TEST_F(EarlyTest, WhatIsToldGrowsAsMoreComes) {
  Upload upload = begin();
  const auto track = make_track(7, 240);
  upload.append(slice(track, 0, 120));
  ASSERT_THAT(upload.certain, SizeIs(1));
  const double before = upload.certain[0].query_match_seconds;
  EXPECT_LT(before, 20);
  upload.append(slice(track, 120, track.size() - 120));
  EXPECT_GT(upload.certain[0].query_match_seconds, 100);
}

TEST_F(EarlyTest, NothingIsToldOfUnrelatedAudio) {
  for (uint64_t seed = 100; seed < 110; ++seed) {
    Upload upload = begin();
    upload.append(make_track(seed, 300));
    EXPECT_THAT(upload.certain, IsEmpty());
  }
}

TEST_F(EarlyTest, ACopyThatComesLateIsToldBeforeTheEnd) {
  Upload upload = begin();
  upload.append(make_track(300, 1200));
  EXPECT_THAT(upload.certain, IsEmpty());
  upload.append(make_track(9, 240));
  ASSERT_THAT(upload.certain, SizeIs(1));
  EXPECT_NEAR(upload.certain[0].segments[0].query_start, 1200, 2);
}

// The property itself. What was told is told again at the end, with as many seconds, whatever came
// in between: other music, the same track elsewhere, silence, noise, gaps, minutes or hours of it.
TEST_F(EarlyTest, NothingThatFollowsUndoesIt) {
  std::mt19937_64 random(5);
  const auto continuation = [&](double seconds) -> std::vector<Item> {
    switch (random() % 6) {
      case 0:
        return make_track(1000 + random() % 1000, seconds);
      case 1:
        return std::vector<Item>(static_cast<size_t>(seconds / kItemSeconds), kSilenceItem);
      case 2:
        return std::vector<Item>(static_cast<size_t>(seconds / kItemSeconds), 0);
      case 3:
        return with_errors(make_track(1 + random() % 20, std::min(seconds, 240.0)), 0.15, random());
      case 4:
        return with_errors(make_track(7, std::min(seconds, 240.0)), 0.3, random());
      default: {
        std::vector<Item> noise(static_cast<size_t>(seconds / kItemSeconds));
        for (Item& item : noise) item = static_cast<Item>(random());
        return noise;
      }
    }
  };
  for (int round = 0; round < 60; ++round) {
    SCOPED_TRACE(round);
    Upload upload = begin();
    upload.append(
        make_track(2000 + static_cast<uint64_t>(round), static_cast<double>(random() % 60)));
    const size_t first = random() % 800;
    const double error_rate = 0.01 * static_cast<double>(random() % 12);
    const size_t length = 120 + random() % 600;
    upload.append(with_errors(slice(make_track(7, 240), first, length), error_rate, random()));
    const std::vector<Match> certain = upload.certain;
    if (certain.empty()) continue;
    for (int part = 0; part < 4; ++part) {
      if (random() % 3 == 0) upload.items += static_cast<uint32_t>(random() % 500);  // a gap
      upload.append(continuation(static_cast<double>(5 + random() % 300)));
    }
    if (round % 20 == 0) upload.append(make_track(5000, 6 * 3600.0));
    const std::vector<Match> all = upload.session->finish();
    for (const Match& match : certain) EXPECT_TRUE(tells_at_least(all, match)) << match.content_id;
  }
}

// And not only because it was told: who is asked at the end alone says so as well.
TEST_F(EarlyTest, ItIsWhatWouldHaveBeenFoundAtTheEnd) {
  int told = 0;
  for (uint64_t round = 0; round < 20; ++round) {
    SCOPED_TRACE(round);
    Upload upload = begin();
    Upload at_the_end = begin();
    const auto copied = with_errors(slice(make_track(7, 240), 40 * round, 150), 0.05, round);
    const auto rest = make_track(3000 + round, 3600);
    upload.append(copied + rest);
    for (size_t i = 0; i < copied.size(); i += kPiece) {
      at_the_end.session->append(static_cast<uint32_t>(i),
                                 slice(copied, i, std::min(kPiece, copied.size() - i)));
    }
    at_the_end.session->append(static_cast<uint32_t>(copied.size()), rest);
    if (upload.certain.empty()) continue;
    ++told;
    const auto all = at_the_end.session->finish();
    ASSERT_THAT(all, SizeIs(1));
    EXPECT_EQ(all[0].content_id, upload.certain[0].content_id);
    EXPECT_GE(all[0].query_match_seconds, upload.certain[0].query_match_seconds - 0.5);
  }
  EXPECT_EQ(told, 20);
}

TEST_F(EarlyTest, WhatLooksDoesNotChangeWhatIsFound) {
  const auto medley = slice(make_track(3, 240), 100, 200) + make_track(99, 30) +
                      slice(make_track(5, 240), 500, 300);
  Upload looked = begin();
  looked.append(medley);
  Upload unlooked = begin();
  unlooked.session->append(0, medley);
  const auto expected = unlooked.session->finish();
  const auto found = looked.session->finish();
  ASSERT_EQ(found.size(), expected.size());
  for (size_t i = 0; i < found.size(); ++i) {
    EXPECT_EQ(found[i].content_id, expected[i].content_id);
    EXPECT_EQ(found[i].query_match_seconds, expected[i].query_match_seconds);
    EXPECT_EQ(found[i].segments.size(), expected[i].segments.size());
  }
}

TEST_F(EarlyTest, OnlyBanksThatAskForItAreLookedAt) {
  value_of(index_->create_bank(bank_named("doubtful", Action::kHoldReview)));
  value_of(index_->enroll(request_of("flagged", make_track(50, 240), "doubtful")));
  Upload upload = begin();
  upload.append(make_track(50, 120));
  EXPECT_THAT(upload.certain, IsEmpty());
  Upload milder = begin();
  milder.append(make_track(50, 120), Action::kHoldReview);
  EXPECT_THAT(milder.certain, SizeIs(1));
}

TEST_F(EarlyTest, WhatIsRemovedSuppressedOrPausedIsNotTold) {
  value_of(index_->remove("spam", "7"));
  value_of(index_->suppress("spam", "8", {"licensed", std::nullopt}));
  for (const uint64_t seed : {7U, 8U}) {
    Upload upload = begin();
    upload.append(make_track(seed, 120));
    EXPECT_THAT(upload.certain, IsEmpty());
  }
  Bank bank = bank_named("spam");
  bank.paused = true;
  value_of(index_->set_bank(bank));
  Upload upload = begin();
  upload.append(make_track(9, 120));
  EXPECT_THAT(upload.certain, IsEmpty());
}

TEST_F(EarlyTest, WhatIsSuppressedAfterwardsIsGoneAtTheEnd) {
  Upload upload = begin();
  upload.append(make_track(7, 120));
  ASSERT_THAT(upload.certain, SizeIs(1));
  value_of(index_->suppress("spam", "7", {"licensed", std::nullopt}));
  EXPECT_THAT(upload.session->finish(), IsEmpty());
}

TEST_F(EarlyTest, AProbeTellsToo) {
  Bank bank = bank_named("probed");
  bank.probes = Probes::kNear;
  value_of(index_->create_bank(bank));
  value_of(index_->enroll(test::banded_request_of("sped up", make_track(60, 240), "probed")));
  Upload upload = begin();
  const auto track = make_track(60, 240);
  for (uint32_t i = 0; i < 400; i += kPiece) {
    upload.append(slice(make_track(61, 240), i, kPiece));
    upload.session->append_view(2, i, slice(track, i, kPiece));
    upload.look(Action::kBlock);
  }
  ASSERT_THAT(upload.certain, SizeIs(1));
  EXPECT_EQ(upload.certain[0].content_id, "sped up");
  EXPECT_NEAR(upload.certain[0].segments[0].audio_speed, probe_speed(2), 0.01);
}

// However many looks there were: of a stretch that is strong enough for an upload of its length,
// but not for the longest with all looks, nothing is told.
TEST_F(EarlyTest, AWeakMatchWaitsForTheEnd) {
  int found_at_end = 0;
  for (uint64_t round = 0; round < 10; ++round) {
    Upload upload = begin();
    upload.append(with_errors(slice(make_track(7, 240), 30 * round, 90), 0.26, round));
    EXPECT_THAT(upload.certain, IsEmpty());
    found_at_end += upload.session->finish().empty() ? 0 : 1;
  }
  EXPECT_GT(found_at_end, 3);
}

}  // namespace
}  // namespace soundgate
