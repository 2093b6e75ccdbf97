// Matching, through the public interface: what is found, where, and what is not.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "index/index.h"
#include "index/limits.h"
#include "tests/index/synthetic.h"

namespace soundgate {
namespace {

using test::bank_named;
using test::make_track;
using test::match_all;
using test::request_of;
using test::slice;
using test::value_of;
using test::with_errors;
using test::operator+;
using testing::IsEmpty;

constexpr double kClose = 1.0;  // seconds

class MatchTest : public testing::Test {
 protected:
  void SetUp() override {
    value_of(index_->create_bank(bank_named("spam")));
    for (uint64_t seed = 1; seed <= 20; ++seed) {
      value_of(index_->enroll(request_of(std::to_string(seed), make_track(seed, 120))));
    }
  }

  test::ScratchDirectory scratch_;
  std::unique_ptr<Index> index_ = test::open_index(scratch_.path());
};

TEST_F(MatchTest, FindsEveryTrimAtAnyOffset) {
  const auto track = with_errors(make_track(7, 120), 0.05);
  for (size_t first = 0; first < 40; ++first) {
    const auto matches = match_all(*index_, slice(track, 300 + first, 99));  // 15 s of audio
    ASSERT_EQ(matches.size(), 1U) << first;
    EXPECT_EQ(matches[0].content_id, "7");
    ASSERT_EQ(matches[0].segments.size(), 1U);
    const MatchSegment& segment = matches[0].segments[0];
    EXPECT_NEAR(segment.query_start, 0, kClose);
    EXPECT_NEAR(segment.asset_start, static_cast<double>(300 + first) * kItemSeconds, kClose);
    EXPECT_NEAR(matches[0].query_match_seconds, 15, kClose);
    EXPECT_GE(matches[0].score, matches[0].threshold);
  }
}

// 5 s lie between two windows of a reference as often as not.
TEST_F(MatchTest, FindsEveryClipBetweenTheWindowsOfAReference) {
  const auto track = with_errors(make_track(7, 120), 0.02);
  for (size_t first = 0; first < 2 * kReferenceStride; ++first) {
    const auto matches = match_all(*index_, slice(track, 300 + first, 19));
    ASSERT_EQ(matches.size(), 1U) << first;
    EXPECT_EQ(matches[0].content_id, "7");
    EXPECT_NEAR(matches[0].segments[0].asset_start, static_cast<double>(300 + first) * kItemSeconds,
                kClose);
  }
  // Nor do the first and the last five seconds of it escape.
  for (const size_t first : {size_t{0}, size_t{1}, track.size() - 19}) {
    EXPECT_EQ(match_all(*index_, slice(track, first, 19)).size(), 1U) << first;
  }
}

TEST_F(MatchTest, UnrelatedAudioMatchesNothing) {
  for (uint64_t seed = 100; seed < 120; ++seed) {
    EXPECT_THAT(match_all(*index_, make_track(seed, 120)), IsEmpty());
  }
  EXPECT_THAT(match_all(*index_, std::vector<Item>(2000, kSilenceItem)), IsEmpty());
  EXPECT_THAT(match_all(*index_, std::vector<Item>(2000, 0)), IsEmpty());
  EXPECT_THAT(match_all(*index_, {}), IsEmpty());
  EXPECT_THAT(match_all(*index_, std::vector<Item>(5, 1)), IsEmpty());
}

TEST_F(MatchTest, FindsSeveralReferencesInOneUpload) {
  const auto medley = slice(make_track(3, 120), 100, 200) + make_track(99, 30) +
                      slice(make_track(5, 120), 500, 300);
  const auto matches = match_all(*index_, medley);
  ASSERT_EQ(matches.size(), 2U);
  EXPECT_EQ(matches[0].content_id, "5");  // the longest first
  EXPECT_EQ(matches[1].content_id, "3");
  EXPECT_NEAR(matches[1].segments[0].query_start, 0, kClose);
  EXPECT_NEAR(matches[0].segments[0].asset_start, 500 * kItemSeconds, 2 * kClose);
}

TEST_F(MatchTest, FindsTheSameReferenceTwice) {
  const auto twice =
      slice(make_track(3, 120), 100, 200) + make_track(99, 30) + slice(make_track(3, 120), 50, 250);
  const auto matches = match_all(*index_, twice);
  ASSERT_EQ(matches.size(), 1U);
  ASSERT_EQ(matches[0].segments.size(), 2U);
  EXPECT_LT(matches[0].segments[0].query_end, matches[0].segments[1].query_start);
  // 100..300 and 50..300 of the reference: their union counts once.
  EXPECT_NEAR(matches[0].query_match_seconds, 450 * kItemSeconds, 4 * kClose);
  EXPECT_NEAR(matches[0].asset_match_seconds, 250 * kItemSeconds, 4 * kClose);
}

TEST_F(MatchTest, FindsWhatIsInALongUpload) {
  const auto upload =
      make_track(200, 3600) + slice(make_track(4, 120), 400, 120) + make_track(201, 3600);
  const auto matches = match_all(*index_, upload);
  ASSERT_EQ(matches.size(), 1U);
  EXPECT_EQ(matches[0].content_id, "4");
  EXPECT_NEAR(matches[0].segments[0].query_start, 3600, 2 * kClose);
}

TEST_F(MatchTest, PiecesOfAnySizeGiveTheSame) {
  const auto upload = with_errors(make_track(6, 120), 0.1);
  const auto whole = match_all(*index_, upload);
  ASSERT_EQ(whole.size(), 1U);
  for (const size_t piece : {1U, 7U, 100U}) {
    const auto session = index_->match();
    for (size_t i = 0; i < upload.size(); i += piece) {
      session->append(static_cast<uint32_t>(i),
                      slice(upload, i, std::min(piece, upload.size() - i)));
    }
    const auto matches = session->finish();
    ASSERT_EQ(matches.size(), 1U);
    EXPECT_EQ(matches[0].score, whole[0].score);
    EXPECT_EQ(matches[0].query_match_seconds, whole[0].query_match_seconds);
  }
}

TEST_F(MatchTest, AGapCostsOnlyWhatIsMissing) {
  const auto track = make_track(8, 120);
  const auto session = index_->match();
  session->append(0, slice(track, 0, 300));
  session->append(500, slice(track, 500, 300));
  const auto matches = session->finish();
  ASSERT_EQ(matches.size(), 1U);
  EXPECT_EQ(matches[0].segments.size(), 1U);
  EXPECT_DOUBLE_EQ(matches[0].score, 1);
}

TEST_F(MatchTest, TheStrictestActionComesFirst) {
  value_of(index_->create_bank(bank_named("watch", Action::kTrack)));
  value_of(index_->enroll(request_of("long", make_track(50, 120), "watch")));
  const auto matches =
      match_all(*index_, make_track(50, 120) + slice(make_track(9, 120), 100, 200));
  ASSERT_EQ(matches.size(), 2U);
  EXPECT_EQ(matches[0].bank.name, "spam");
  EXPECT_EQ(matches[0].bank.action, Action::kBlock);
  EXPECT_EQ(matches[1].content_id, "long");
}

// Of each window the nearest hits are kept, and no more of them than there are dead copies here.
// A reference of which each band sounds unlike the others.
class Banded : public MatchTest {
 protected:
  void SetUp() override {
    MatchTest::SetUp();
    value_of(index_->create_bank(bank_named("banded")));
    EnrollRequest request = request_of("song", make_track(60, 120), "banded");
    request.fingerprint.bass = make_track(61, 120);
    request.fingerprint.treble = make_track(62, 120);
    value_of(index_->enroll(request));
  }
  std::vector<Match> match_view(Band band, uint64_t seed) {
    const auto session = index_->match();
    session->append(0, make_track(70, 60));
    session->append_view(view_of(band), 0, slice(make_track(seed, 120), 100, 300));
    return session->finish();
  }
};

TEST_F(Banded, IsFoundByOneBandAlone) {
  for (const auto& [band, seed] : {std::pair(Band::kBass, 61), std::pair(Band::kTreble, 62)}) {
    const auto matches = match_view(band, static_cast<uint64_t>(seed));
    ASSERT_EQ(matches.size(), 1U);
    EXPECT_EQ(matches[0].content_id, "song");
    EXPECT_NEAR(matches[0].segments[0].asset_start, 100 * kItemSeconds, kClose);
    EXPECT_EQ(matches[0].segments[0].audio_speed, 1);
  }
}

TEST_F(Banded, BandsAreComparedWithTheirLikeOnly) {
  EXPECT_THAT(match_view(Band::kBass, 62), IsEmpty());
  EXPECT_THAT(match_view(Band::kTreble, 60), IsEmpty());
  EXPECT_THAT(match_view(Band::kTreble, 7), IsEmpty());  // a reference that has no treble
}

TEST_F(Banded, ComesBackFromTheDiskWithItsBands) {
  index_.reset();
  index_ = test::open_index(scratch_.path());
  EXPECT_EQ(match_view(Band::kTreble, 62).size(), 1U);
  const auto exported = value_of(index_->reference_after("banded", ""));
  ASSERT_TRUE(exported);
  EXPECT_EQ(exported->fingerprint.items, make_track(60, 120));
  EXPECT_EQ(exported->fingerprint.bass, make_track(61, 120));
  EXPECT_EQ(exported->fingerprint.treble, make_track(62, 120));
  value_of(index_->remove("banded", "song"));
  EXPECT_THAT(match_view(Band::kTreble, 62), IsEmpty());
  const IndexStatus status = index_->status();
  value_of(index_->rollback(status.version - 1, false));
  EXPECT_EQ(match_view(Band::kTreble, 62).size(), 1U);
}

class Copies : public MatchTest {
 protected:
  // Further from the upload than all the copies.
  std::vector<Match> matches_of_upload() {
    return match_all(*index_, with_errors(make_track(7, 120), 0.005, 99));
  }
  void SetUp() override {
    MatchTest::SetUp();
    value_of(index_->remove("spam", "7"));
    value_of(index_->create_bank(bank_named("copies")));
    // In one write, and so in one segment: each has its own nearest.
    std::vector<EnrollRequest> requests{
        request_of("live", with_errors(make_track(7, 120), 0.1, 98))};
    for (uint64_t copy = 0; copy < 2 * kHitsPerWindowMax; ++copy) {
      requests.push_back(request_of("copy " + std::to_string(copy),
                                    with_errors(make_track(7, 120), 0.01, copy), "copies"));
    }
    for (auto& result : index_->enroll_all(requests)) value_of(std::move(result));
  }
};

TEST_F(Copies, ThatAreRemovedTakeTheirPlaceFromNobody) {
  for (uint64_t copy = 0; copy < 2 * kHitsPerWindowMax; ++copy) {
    value_of(index_->remove("copies", "copy " + std::to_string(copy)));
  }
  const auto matches = matches_of_upload();
  ASSERT_EQ(matches.size(), 1U);
  EXPECT_EQ(matches[0].content_id, "live");
}

TEST_F(Copies, ThatArePausedTakeTheirPlaceFromNobody) {
  Bank bank = bank_named("copies");
  bank.paused = true;
  value_of(index_->set_bank(bank));
  const auto matches = matches_of_upload();
  ASSERT_EQ(matches.size(), 1U);
  EXPECT_EQ(matches[0].content_id, "live");
}

// An upload that is unlike everything, and a probe of it that is a track of each bank.
class Probed : public MatchTest {
 protected:
  std::vector<Match> match_with_probe(int view, Probes probes) {
    Bank bank = bank_named("probed");
    bank.probes = probes;
    value_of(index_->create_bank(bank));
    value_of(index_->enroll(test::banded_request_of("sped up", make_track(60, 120), "probed")));
    const auto session = index_->match();
    session->append(0, make_track(61, 100));
    session->append_view(view, 0, slice(make_track(7, 120), 100, 300));
    session->append_view(view, 900, slice(make_track(60, 120), 200, 300));
    return session->finish();
  }
};

TEST_F(Probed, MatchesOnlyBanksThatAskForIt) {
  const auto matches = match_with_probe(2, Probes::kNear);
  ASSERT_EQ(matches.size(), 1U);
  EXPECT_EQ(matches[0].content_id, "sped up");
  ASSERT_EQ(matches[0].segments.size(), 1U);
  const MatchSegment& segment = matches[0].segments[0];
  EXPECT_NEAR(segment.audio_speed, 1.03 * 1.03, 1e-6);
  EXPECT_NEAR(segment.query_start, 900 * kItemSeconds / (1.03 * 1.03), kClose);
  EXPECT_NEAR(segment.query_end, (1199 * kItemSeconds + kItemSpanSeconds) / (1.03 * 1.03), kClose);
  EXPECT_NEAR(segment.asset_start, 200 * kItemSeconds, kClose);
}

TEST_F(Probed, WideReachesFurtherThanNear) {
  EXPECT_THAT(match_with_probe(-3, Probes::kNear), IsEmpty());
  value_of(index_->delete_bank("probed", true));
  EXPECT_EQ(match_with_probe(-3, Probes::kWide).size(), 1U);
}

TEST_F(Probed, ViewsThatDoNotExistAreIgnored) {
  for (const int view :
       {kViewMin - 1, view_of(1, Band::kBass), view_of(Band::kTreble) + kViewsPerBand,
        view_of(1, Band::kTreble) + kViewsPerBand}) {
    EXPECT_THAT(match_with_probe(view, Probes::kWide), IsEmpty());
    value_of(index_->delete_bank("probed", true));
  }
}

// A session that has seen all of its upload when something changes.
class InFlight : public MatchTest {
 protected:
  void SetUp() override {
    MatchTest::SetUp();
    session_ = index_->match();
    session_->append(0, make_track(7, 120));
  }
  std::unique_ptr<MatchSession> session_;
};

TEST_F(InFlight, SeesRemovalAtOnce) {
  value_of(index_->remove("spam", "7"));
  EXPECT_THAT(session_->finish(), IsEmpty());
}

TEST_F(InFlight, SeesSuppressionAtOnce) {
  value_of(index_->suppress("spam", "7", {"disputed", {}}));
  EXPECT_THAT(session_->finish(), IsEmpty());
}

TEST_F(InFlight, SeesPausingAndSettingsAtOnce) {
  value_of(index_->set_bank(bank_named("spam", Action::kLabel)));
  auto other = index_->match();
  other->append(0, make_track(7, 120));
  EXPECT_EQ(session_->finish().at(0).bank.action, Action::kLabel);
  Bank paused = bank_named("spam");
  paused.paused = true;
  value_of(index_->set_bank(paused));
  EXPECT_THAT(other->finish(), IsEmpty());
}

TEST_F(InFlight, SeesResumptionAtOnce) {
  Bank bank = bank_named("spam");
  bank.paused = true;
  value_of(index_->set_bank(bank));
  auto session = index_->match();
  session->append(0, make_track(7, 120));
  bank.paused = false;
  value_of(index_->set_bank(bank));
  EXPECT_EQ(session->finish().size(), 1U);
}

TEST_F(InFlight, SeesEnrolmentAtOnce) {
  auto session = index_->match();
  session->append(0, make_track(60, 120));
  value_of(index_->enroll(request_of("60", make_track(60, 120))));
  const auto matches = session->finish();
  ASSERT_EQ(matches.size(), 1U);
  EXPECT_EQ(matches[0].content_id, "60");
  EXPECT_NEAR(matches[0].query_match_seconds, 120, 3);
}

TEST_F(InFlight, SeesAReplacementAsTheNewOne) {
  value_of(index_->enroll(request_of("7", make_track(70, 120))));
  EXPECT_THAT(session_->finish(), IsEmpty());
}

TEST_F(InFlight, OutlivesItsIndex) {
  index_.reset();
  EXPECT_EQ(session_->finish().size(), 1U);
}

}  // namespace
}  // namespace soundgate
