// Banks and references, through the public interface, and what a restart keeps of them.
#include "index/index.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/index/synthetic.h"

namespace soundgate {
namespace {

using std::chrono::hours;
using std::chrono::system_clock;
using test::bank_named;
using test::make_track;
using test::match_all;
using test::request_of;
using test::value_of;
using testing::Contains;
using testing::ElementsAre;
using testing::IsEmpty;

class IndexTest : public testing::Test {
 protected:
  void SetUp() override { value_of(index_->create_bank(bank_named("spam"))); }

  void reopen() {
    index_.reset();
    index_ = test::open_index(scratch_.path());
  }

  template <class T>
  static IndexError::Kind kind_of(const IndexResult<T>& result) {
    return result ? IndexError::Kind{255} : result.error().kind;
  }

  test::ScratchDirectory scratch_;
  std::unique_ptr<Index> index_ = test::open_index(scratch_.path());
};

TEST_F(IndexTest, BanksAreKept) {
  Bank bank = bank_named("infringing", Action::kLabel);
  bank.probes = Probes::kNear;
  bank.seconds_min = 7.5;
  value_of(index_->create_bank(bank));
  EXPECT_EQ(kind_of(index_->create_bank(bank)), IndexError::Kind::kConflict);
  bank.paused = true;
  value_of(index_->set_bank(bank));
  reopen();
  const Bank kept = value_of(index_->bank("infringing"));
  EXPECT_EQ(kept.action, Action::kLabel);
  EXPECT_EQ(kept.probes, Probes::kNear);
  EXPECT_EQ(kept.seconds_min, 7.5);
  EXPECT_TRUE(kept.paused);
  ASSERT_EQ(index_->banks().size(), 2U);
  EXPECT_EQ(index_->banks()[0].name, "infringing");
}

TEST_F(IndexTest, WhatIsNotThereIsNotFound) {
  EXPECT_EQ(kind_of(index_->bank("none")), IndexError::Kind::kNotFound);
  EXPECT_EQ(kind_of(index_->set_bank(bank_named("none"))), IndexError::Kind::kNotFound);
  EXPECT_EQ(kind_of(index_->delete_bank("none", true)), IndexError::Kind::kNotFound);
  EXPECT_EQ(kind_of(index_->references("none")), IndexError::Kind::kNotFound);
  EXPECT_EQ(kind_of(index_->enroll(request_of("a", make_track(1, 20), "none"))),
            IndexError::Kind::kNotFound);
  EXPECT_EQ(kind_of(index_->reference("spam", "a")), IndexError::Kind::kNotFound);
  EXPECT_EQ(kind_of(index_->remove("spam", "a")), IndexError::Kind::kNotFound);
  EXPECT_EQ(kind_of(index_->suppress("spam", "a", {"x", {}})), IndexError::Kind::kNotFound);
  EXPECT_EQ(kind_of(index_->restore("spam", "a")), IndexError::Kind::kNotFound);
}

TEST_F(IndexTest, DeletingABankNeedsForceWhenItHasReferences) {
  value_of(index_->enroll(request_of("a", make_track(1, 60))));
  EXPECT_EQ(kind_of(index_->delete_bank("spam", false)), IndexError::Kind::kConflict);
  value_of(index_->delete_bank("spam", true));
  EXPECT_THAT(match_all(*index_, make_track(1, 60)), IsEmpty());
  reopen();
  EXPECT_THAT(index_->banks(), IsEmpty());
  EXPECT_EQ(index_->status().reference_count, 0);
}

TEST_F(IndexTest, ReferencesAreKept) {
  EnrollRequest request = request_of("a", make_track(1, 60));
  request.metadata_json = R"({"artist":"x"})";
  const EnrollResult enrolled = value_of(index_->enroll(request));
  EXPECT_FALSE(enrolled.replaced);
  EXPECT_NEAR(enrolled.indexed_seconds, 60, 1);
  EXPECT_THAT(enrolled.warnings, IsEmpty());
  const Reference before = value_of(index_->reference("spam", "a"));
  reopen();
  const Reference after = value_of(index_->reference("spam", "a"));
  EXPECT_EQ(after.bank, "spam");
  EXPECT_EQ(after.title, "title of a");
  EXPECT_EQ(after.metadata_json, request.metadata_json);
  EXPECT_EQ(after.duration_seconds, request.fingerprint.duration_seconds);
  EXPECT_EQ(after.indexed_seconds, before.indexed_seconds);
  EXPECT_LT(before.enrolled - after.enrolled, std::chrono::milliseconds(1));
  EXPECT_EQ(match_all(*index_, make_track(1, 60)).size(), 1U);
}

TEST_F(IndexTest, EnrollingAgainReplaces) {
  value_of(index_->enroll(request_of("a", make_track(1, 60))));
  EXPECT_TRUE(value_of(index_->enroll(request_of("a", make_track(2, 60)))).replaced);
  EXPECT_EQ(index_->status().reference_count, 1);
  EXPECT_THAT(match_all(*index_, make_track(1, 60)), IsEmpty());
  EXPECT_EQ(match_all(*index_, make_track(2, 60)).size(), 1U);
  reopen();
  EXPECT_EQ(index_->status().reference_count, 1);
  EXPECT_EQ(value_of(index_->bank("spam")).reference_count, 1);
}

TEST_F(IndexTest, WarnsOfWhatIsHardToFind) {
  EXPECT_THAT(value_of(index_->enroll(request_of("short", make_track(1, 6)))).warnings,
              ElementsAre("short"));
  EXPECT_THAT(
      value_of(index_->enroll(request_of("silent", std::vector<Item>(400, kSilenceItem)))).warnings,
      ElementsAre("low_information"));
}

TEST_F(IndexTest, WarnsOfOverlapsInTheSameBank) {
  value_of(index_->create_bank(bank_named("other")));
  const auto track = make_track(1, 60);
  value_of(index_->enroll(request_of("first", track)));
  EXPECT_THAT(value_of(index_->enroll(request_of("second", track))).warnings,
              ElementsAre("overlaps first"));
  EXPECT_THAT(value_of(index_->enroll(request_of("third", track, "other"))).warnings, IsEmpty());
  EXPECT_THAT(value_of(index_->enroll(request_of("third", track, "other"))).warnings, IsEmpty());
}

TEST_F(IndexTest, SuppressionOutlivesEverything) {
  const auto track = make_track(1, 60);
  value_of(index_->enroll(request_of("a", track)));
  value_of(index_->suppress("spam", "a", {"disputed", {}}));
  EXPECT_THAT(match_all(*index_, track), IsEmpty());
  EXPECT_EQ(index_->status().suppressed_count, 1);

  EXPECT_THAT(value_of(index_->enroll(request_of("a", track))).warnings, Contains("suppressed"));
  EXPECT_THAT(match_all(*index_, track), IsEmpty());
  value_of(index_->remove("spam", "a"));
  EXPECT_EQ(index_->status().suppressed_count, 0);
  value_of(index_->enroll(request_of("a", track)));
  EXPECT_THAT(match_all(*index_, track), IsEmpty());
  value_of(index_->delete_bank("spam", true));
  value_of(index_->create_bank(bank_named("spam")));
  value_of(index_->enroll(request_of("a", track)));
  reopen();
  EXPECT_THAT(match_all(*index_, track), IsEmpty());
  EXPECT_EQ(value_of(index_->reference("spam", "a")).suppression->reason, "disputed");

  value_of(index_->restore("spam", "a"));
  EXPECT_EQ(match_all(*index_, track).size(), 1U);
  reopen();
  EXPECT_EQ(match_all(*index_, track).size(), 1U);
}

TEST_F(IndexTest, ASuppressionOfWhatIsGoneCanBeLifted) {
  value_of(index_->enroll(request_of("a", make_track(1, 60))));
  value_of(index_->suppress("spam", "a", {"disputed", {}}));
  value_of(index_->remove("spam", "a"));
  value_of(index_->restore("spam", "a"));
  value_of(index_->enroll(request_of("a", make_track(1, 60))));
  EXPECT_EQ(match_all(*index_, make_track(1, 60)).size(), 1U);
}

TEST_F(IndexTest, ASuppressionEndsAtItsDate) {
  const auto track = make_track(1, 60);
  value_of(index_->enroll(request_of("a", track)));
  value_of(index_->suppress("spam", "a", {"soon", system_clock::now() + hours(1)}));
  EXPECT_THAT(match_all(*index_, track), IsEmpty());
  value_of(index_->suppress("spam", "a", {"past", system_clock::now() - hours(1)}));
  EXPECT_EQ(match_all(*index_, track).size(), 1U);
  EXPECT_EQ(index_->status().suppressed_count, 0);
  reopen();
  EXPECT_EQ(match_all(*index_, track).size(), 1U);
}

TEST_F(IndexTest, EveryAcknowledgedChangeGrowsTheVersion) {
  int64_t version = index_->status().version;
  const auto expect_grown = [&] {
    EXPECT_GT(index_->status().version, version);
    version = index_->status().version;
  };
  value_of(index_->enroll(request_of("a", make_track(1, 20))));
  expect_grown();
  value_of(index_->suppress("spam", "a", {"x", {}}));
  expect_grown();
  value_of(index_->restore("spam", "a"));
  expect_grown();
  value_of(index_->set_bank(bank_named("spam", Action::kTrack)));
  expect_grown();
  value_of(index_->remove("spam", "a"));
  expect_grown();
  EXPECT_FALSE(index_->remove("spam", "a"));
  EXPECT_EQ(index_->status().version, version);
  reopen();
  EXPECT_EQ(index_->status().version, version);
}

TEST_F(IndexTest, ReferencesAreListedById) {
  value_of(index_->create_bank(bank_named("other")));
  value_of(index_->enroll(request_of("b", make_track(1, 20))));
  value_of(index_->enroll(request_of("a", make_track(2, 20))));
  value_of(index_->enroll(request_of("c", make_track(3, 20), "other")));
  const auto references = value_of(index_->references("spam"));
  ASSERT_EQ(references.size(), 2U);
  EXPECT_EQ(references[0].content_id, "a");
  EXPECT_EQ(references[1].content_id, "b");
}

}  // namespace
}  // namespace soundgate
