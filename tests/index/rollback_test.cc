// Rolling back: what was there is there again, and what is suppressed stays so.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>
#include <chrono>
#include <thread>

#include "tests/index/synthetic.h"

namespace soundgate {
namespace {

using std::chrono::system_clock;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

class Rollback : public testing::Test {
 protected:
  Rollback() {
    index_ = test::open_index(scratch_.path());
    test::value_of(index_->create_bank(test::bank_named("spam")));
  }

  void enroll(const std::string& content_id, uint64_t seed, const std::string& bank = "spam") {
    test::value_of(index_->enroll(test::request_of(content_id, test::make_track(seed, 60), bank)));
  }
  // Content ids of what this track matches.
  std::vector<std::string> found(uint64_t seed) const {
    std::vector<std::string> ids;
    for (const Match& match : test::match_all(*index_, test::make_track(seed, 60))) {
      ids.push_back(match.content_id);
    }
    return ids;
  }
  std::vector<std::string> ids(const std::string& bank = "spam") const {
    std::vector<std::string> ids;
    for (const Reference& reference : test::value_of(index_->references(bank))) {
      ids.push_back(reference.content_id);
    }
    return ids;
  }
  int64_t version() const { return index_->status().version; }
  RollbackReport roll_back(int64_t to) { return test::value_of(index_->rollback(to, false)); }
  void reopen(std::optional<std::chrono::seconds> keep = {}) {
    index_.reset();
    Index::Options options;
    options.owner = "test";
    options.keep = keep;
    index_ = test::value_of(Index::open(scratch_.path(), options));
  }
  static std::vector<std::string> ids_of(const std::vector<RollbackItem>& items) {
    std::vector<std::string> ids;
    for (const RollbackItem& item : items) ids.push_back(item.content_id);
    return ids;
  }

  test::ScratchDirectory scratch_;
  std::unique_ptr<Index> index_;
};

TEST_F(Rollback, TakesAwayWhatWasAddedAndBringsBackWhatWasRemoved) {
  enroll("kept", 1);
  enroll("removed", 2);
  const int64_t then = version();
  test::value_of(index_->remove("spam", "removed"));
  enroll("added", 3);
  const RollbackReport report = roll_back(then);
  EXPECT_EQ(report.to, then);
  EXPECT_EQ(report.version, then + 3);
  EXPECT_EQ(version(), then + 3);
  EXPECT_THAT(ids_of(report.goes), ElementsAre("added"));
  EXPECT_THAT(ids_of(report.returns), ElementsAre("removed"));
  for (int opened = 0; opened < 2; ++opened, reopen()) {
    EXPECT_THAT(ids(), ElementsAre("kept", "removed"));
    EXPECT_THAT(found(1), ElementsAre("kept"));
    EXPECT_THAT(found(2), ElementsAre("removed"));
    EXPECT_THAT(found(3), IsEmpty());
    EXPECT_EQ(index_->status().reference_count, 2);
  }
}

TEST_F(Rollback, OfAReplacementBringsBackWhatWasReplaced) {
  enroll("a", 1);
  const int64_t then = version();
  enroll("a", 2);
  const RollbackReport report = roll_back(then);
  EXPECT_THAT(ids_of(report.goes), ElementsAre("a"));
  EXPECT_THAT(ids_of(report.returns), ElementsAre("a"));
  for (int opened = 0; opened < 2; ++opened, reopen()) {
    EXPECT_THAT(found(1), ElementsAre("a"));
    EXPECT_THAT(found(2), IsEmpty());
  }
}

TEST_F(Rollback, CanBeRolledBack) {
  enroll("a", 1);
  const int64_t first = version();
  enroll("b", 2);
  const int64_t second = version();
  roll_back(first);
  EXPECT_THAT(ids(), ElementsAre("a"));
  roll_back(second);
  EXPECT_THAT(ids(), ElementsAre("a", "b"));
  EXPECT_THAT(found(2), ElementsAre("b"));
  roll_back(first);
  EXPECT_THAT(ids(), ElementsAre("a"));
  // "a" never went: a rollback that changes nothing of it does not name it.
  const RollbackReport report = roll_back(first);
  EXPECT_EQ(report.goes_count + report.returns_count, 0);
  EXPECT_EQ(report.version, version());
}

TEST_F(Rollback, RevertsBanksAndTheirSettings) {
  enroll("a", 1);
  test::value_of(index_->create_bank(test::bank_named("doomed", Action::kTrack)));
  enroll("d", 4, "doomed");
  const int64_t then = version();
  Bank changed = test::value_of(index_->bank("spam"));
  changed.action = Action::kLabel;
  changed.paused = true;
  test::value_of(index_->set_bank(changed));
  test::value_of(index_->delete_bank("doomed", true));
  test::value_of(index_->create_bank(test::bank_named("doomed", Action::kDemote)));
  enroll("other", 5, "doomed");
  const RollbackReport report = roll_back(then);
  ASSERT_EQ(report.banks_changed.size(), 1U);
  EXPECT_EQ(report.banks_changed[0].action, Action::kBlock);
  ASSERT_EQ(report.banks_gone.size(), 1U);
  EXPECT_EQ(report.banks_gone[0].action, Action::kDemote);
  ASSERT_EQ(report.banks_returned.size(), 1U);
  EXPECT_EQ(report.banks_returned[0].action, Action::kTrack);
  for (int opened = 0; opened < 2; ++opened, reopen()) {
    EXPECT_EQ(test::value_of(index_->bank("spam")).action, Action::kBlock);
    EXPECT_FALSE(test::value_of(index_->bank("spam")).paused);
    EXPECT_EQ(test::value_of(index_->bank("doomed")).action, Action::kTrack);
    EXPECT_EQ(test::value_of(index_->bank("doomed")).reference_count, 1);
    EXPECT_THAT(ids("doomed"), ElementsAre("d"));
    EXPECT_THAT(found(4), ElementsAre("d"));
    EXPECT_THAT(found(5), IsEmpty());
    EXPECT_EQ(index_->banks().size(), 2U);
  }
}

TEST_F(Rollback, KeepsSuppressions) {
  enroll("a", 1);
  enroll("b", 2);
  const int64_t then = version();
  test::value_of(index_->suppress("spam", "a", {"wrong", std::nullopt}));
  test::value_of(index_->suppress("spam", "b", {"wrong", std::nullopt}));
  test::value_of(index_->remove("spam", "b"));
  roll_back(then);
  for (int opened = 0; opened < 2; ++opened, reopen()) {
    EXPECT_THAT(ids(), ElementsAre("a", "b"));
    EXPECT_THAT(found(1), IsEmpty());
    EXPECT_THAT(found(2), IsEmpty());
    EXPECT_EQ(index_->status().suppressed_count, 2);
  }
  test::value_of(index_->restore("spam", "b"));
  EXPECT_THAT(found(2), ElementsAre("b"));
}

TEST_F(Rollback, DryRunsChangeNothing) {
  enroll("a", 1);
  const int64_t then = version();
  enroll("b", 2);
  test::value_of(index_->remove("spam", "a"));
  const RollbackReport report = test::value_of(index_->rollback(then, true));
  EXPECT_EQ(report.version, version());
  EXPECT_THAT(ids_of(report.goes), ElementsAre("b"));
  EXPECT_THAT(ids_of(report.returns), ElementsAre("a"));
  EXPECT_EQ(report.returns[0].bank, "spam");
  EXPECT_EQ(report.returns[0].title, "title of a");
  EXPECT_EQ(version(), then + 2);
  EXPECT_THAT(ids(), ElementsAre("b"));
}

TEST_F(Rollback, ActsOnUploadsInFlight) {
  enroll("a", 1);
  const int64_t then = version();
  test::value_of(index_->remove("spam", "a"));
  enroll("b", 2);
  const auto returns = index_->match();
  const auto goes = index_->match();
  returns->append(0, test::make_track(1, 60));
  goes->append(0, test::make_track(2, 60));
  roll_back(then);
  EXPECT_EQ(returns->finish().size(), 1U);
  EXPECT_TRUE(goes->finish().empty());
}

TEST_F(Rollback, ToATimeIsToTheNewestVersionOfThen) {
  enroll("a", 1);
  std::this_thread::sleep_for(std::chrono::milliseconds(5));
  const auto then = system_clock::now();
  std::this_thread::sleep_for(std::chrono::milliseconds(5));
  enroll("b", 2);
  EXPECT_EQ(test::value_of(index_->rollback(then, false)).to, 2);
  EXPECT_THAT(ids(), ElementsAre("a"));
  const auto before = index_->rollback(then - std::chrono::hours(1), false);
  ASSERT_FALSE(before);
  EXPECT_EQ(before.error().kind, IndexError::Kind::kNotFound);
  EXPECT_THAT(ids(), ElementsAre("a"));
}

TEST_F(Rollback, ToAVersionThatIsNotThereYetIsRefused) {
  const auto failed = index_->rollback(version() + 1, false);
  ASSERT_FALSE(failed);
  EXPECT_EQ(failed.error().kind, IndexError::Kind::kNotFound);
  EXPECT_THAT(failed.error().message, HasSubstr("there is no version 2 yet: the newest is 1"));
}

// Who only looks does not wait for it: a health check must not.
TEST_F(Rollback, KeepsNobodyWaitingWhoOnlyLooks) {
  std::vector<EnrollRequest> requests;
  const auto track = test::make_track(1, 300);
  for (int i = 0; i < 200; ++i) {
    requests.push_back(test::request_of("many " + std::to_string(i), track));
  }
  for (auto& result : index_->enroll_all(requests)) test::value_of(std::move(result));
  const int64_t then = version();
  test::value_of(index_->delete_bank("spam", true));
  std::atomic<bool> done = false;
  std::thread writer([&] {
    roll_back(then);
    done = true;
  });
  int64_t looks = 0;
  while (!done) {
    index_->status();
    ++looks;
    std::this_thread::yield();
  }
  writer.join();
  EXPECT_GT(looks, 10);
  EXPECT_EQ(ids().size(), 200U);
}

TEST_F(Rollback, WhatIsGoneForLongerThanKeptIsForgotten) {
  enroll("a", 1);
  const int64_t then = version();
  for (uint64_t i = 0; i < 200; ++i) enroll("many", 2);  // several purges' worth of replacements
  test::value_of(index_->remove("spam", "a"));
  EXPECT_EQ(test::value_of(index_->upkeep()).kept_count, 200);
  std::this_thread::sleep_for(std::chrono::milliseconds(5));
  reopen(std::chrono::seconds(0));
  for (int i = 0; i < 100 && test::value_of(index_->upkeep()).kept_count > 0; ++i) {
    std::this_thread::sleep_for(std::chrono::milliseconds(50));
  }
  EXPECT_EQ(test::value_of(index_->upkeep()).kept_count, 0);
  EXPECT_EQ(test::value_of(index_->upkeep()).oldest_version, version());
  const auto failed = index_->rollback(then, false);
  ASSERT_FALSE(failed);
  EXPECT_EQ(failed.error().kind, IndexError::Kind::kNotFound);
  EXPECT_THAT(failed.error().message, HasSubstr("version 2 is not kept any more"));
  EXPECT_THAT(found(2), ElementsAre("many"));
  EXPECT_EQ(test::value_of(index_->verify()).reference_count, 1);
}

TEST_F(Rollback, NothingIsForgottenUnlessToldTo) {
  enroll("a", 1);
  test::value_of(index_->remove("spam", "a"));
  reopen();
  std::this_thread::sleep_for(std::chrono::milliseconds(1500));
  EXPECT_EQ(test::value_of(index_->upkeep()).kept_count, 1);
}

}  // namespace
}  // namespace soundgate
