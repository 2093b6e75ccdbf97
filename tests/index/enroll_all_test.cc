// Many references in one write, and all of them out again.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "index/index.h"
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
using testing::IsEmpty;

class EnrollAllTest : public testing::Test {
 protected:
  void SetUp() override { value_of(index_->create_bank(bank_named("spam"))); }

  void reopen() {
    index_.reset();
    index_ = test::open_index(scratch_.path());
  }

  std::vector<std::string> matched(uint64_t seed) const {
    std::vector<std::string> content_ids;
    for (const Match& match : match_all(*index_, make_track(seed, 30))) {
      content_ids.push_back(match.content_id);
    }
    return content_ids;
  }

  // All of a bank, as bank export takes it out.
  std::vector<ExportedReference> exported(const std::string& bank) const {
    std::vector<ExportedReference> references;
    for (std::string after;; after = references.back().reference.content_id) {
      auto next = value_of(index_->reference_after(bank, after));
      if (!next) return references;
      references.push_back(std::move(*next));
    }
  }

  test::ScratchDirectory scratch_;
  std::unique_ptr<Index> index_ = test::open_index(scratch_.path());
};

TEST_F(EnrollAllTest, EachIsFoundAndKept) {
  std::vector<EnrollRequest> requests;
  for (uint64_t i = 0; i < 40; ++i) {
    requests.push_back(request_of(std::to_string(i), make_track(i, 30)));
  }
  const int64_t version = index_->status().version;
  for (const auto& result : index_->enroll_all(requests)) {
    EXPECT_FALSE(value_of(result).replaced);
    EXPECT_NEAR(result->indexed_seconds, 30, 1);
    EXPECT_THAT(result->warnings, IsEmpty());
  }
  EXPECT_EQ(index_->status().version, version + 40);
  for (int round = 0; round < 2; ++round) {
    EXPECT_EQ(index_->status().reference_count, 40);
    EXPECT_EQ(value_of(index_->bank("spam")).reference_count, 40);
    for (const uint64_t i : {0, 17, 39}) {
      EXPECT_THAT(matched(i), testing::ElementsAre(std::to_string(i)));
    }
    reopen();
  }
  EXPECT_EQ(index_->status().version, version + 40);
}

TEST_F(EnrollAllTest, ABadOneKeepsNoOtherOut) {
  std::vector<EnrollRequest> requests = {
      request_of("a", make_track(1, 30)),       request_of("", make_track(2, 30)),
      request_of("c", make_track(3, 30), "no"), request_of("d", {}),
      request_of("e", make_track(5, 30)),
  };
  requests[0].suppression = Suppression{std::string(5000, 'x'), {}};
  const auto results = index_->enroll_all(requests);
  ASSERT_EQ(results.size(), 5U);
  EXPECT_EQ(results[0].error().kind, IndexError::Kind::kInvalid);
  EXPECT_EQ(results[1].error().kind, IndexError::Kind::kInvalid);
  EXPECT_EQ(results[2].error().kind, IndexError::Kind::kNotFound);
  EXPECT_EQ(results[3].error().kind, IndexError::Kind::kInvalid);
  EXPECT_TRUE(results[4]);
  EXPECT_EQ(index_->status().reference_count, 1);

  const int64_t version = index_->status().version;
  EXPECT_FALSE(index_->enroll_all(std::span(requests).first(3))[0]);
  EXPECT_THAT(index_->enroll_all({}), IsEmpty());
  EXPECT_EQ(index_->status().version, version);
}

TEST_F(EnrollAllTest, TheLastOfAContentIdStays) {
  value_of(index_->enroll(request_of("a", make_track(1, 30))));
  const std::vector<EnrollRequest> requests = {
      request_of("a", make_track(2, 30)),
      request_of("b", make_track(3, 30)),
      request_of("a", make_track(4, 30)),
      request_of("b", make_track(5, 30)),
  };
  const auto results = index_->enroll_all(requests);
  const std::vector<bool> replaced = {true, false, true, true};
  for (size_t i = 0; i < results.size(); ++i) EXPECT_EQ(results[i]->replaced, replaced[i]) << i;
  for (int round = 0; round < 2; ++round) {
    EXPECT_EQ(index_->status().reference_count, 2);
    EXPECT_EQ(value_of(index_->bank("spam")).reference_count, 2);
    for (const uint64_t gone : {1, 2, 3}) EXPECT_THAT(matched(gone), IsEmpty());
    EXPECT_THAT(matched(4), testing::ElementsAre("a"));
    EXPECT_THAT(matched(5), testing::ElementsAre("b"));
    reopen();
  }
}

TEST_F(EnrollAllTest, SuppressionsComeAlong) {
  const auto request = [](const std::string& content_id, uint64_t seed,
                          std::optional<Suppression> suppression) {
    EnrollRequest made = request_of(content_id, make_track(seed, 30));
    made.suppression = std::move(suppression);
    return made;
  };
  const auto now = system_clock::now();
  value_of(index_->enroll(request("local", 1, {})));
  value_of(index_->suppress("spam", "local", {"decided here", {}}));
  value_of(index_->enroll(request("over", 2, {})));
  value_of(index_->suppress("spam", "over", {"was decided here", now - hours(1)}));
  const std::vector<EnrollRequest> requests = {
      request("local", 1, Suppression{"decided there", now + hours(1)}),
      request("over", 2, Suppression{"decided there", {}}),
      request("past", 3, Suppression{"was decided there", now - hours(1)}),
      request("new", 4, Suppression{"decided there", now + hours(1)}),
      request("new", 5, {}),
  };
  for (const auto& result : index_->enroll_all(requests)) EXPECT_TRUE(result);
  for (int round = 0; round < 2; ++round) {
    const auto reason = [&](const char* content_id) {
      const auto suppression = value_of(index_->reference("spam", content_id)).suppression;
      return suppression ? suppression->reason : "";
    };
    EXPECT_EQ(reason("local"), "decided here");
    EXPECT_EQ(reason("over"), "decided there");
    EXPECT_EQ(reason("past"), "");
    EXPECT_EQ(reason("new"), "decided there");
    for (const uint64_t suppressed : {1, 2, 4, 5}) EXPECT_THAT(matched(suppressed), IsEmpty());
    EXPECT_THAT(matched(3), testing::ElementsAre("past"));
    reopen();
  }
}

TEST_F(EnrollAllTest, WarnsOfAllButOverlaps) {
  const std::vector<EnrollRequest> requests = {
      request_of("a", make_track(1, 60)), request_of("b", make_track(1, 60)),
      request_of("short", make_track(2, 6)),
      request_of("silent", std::vector<Item>(400, kSilenceItem))};
  const auto results = index_->enroll_all(requests);
  EXPECT_THAT(results[1]->warnings, IsEmpty());
  EXPECT_THAT(results[2]->warnings, testing::ElementsAre("short"));
  EXPECT_THAT(results[3]->warnings, testing::ElementsAre("low_information"));
}

TEST_F(EnrollAllTest, WhatIsNotInTheFingerprintIsNotLackOfInformation) {
  EnrollRequest request = request_of("a", make_track(1, 30));
  request.fingerprint.duration_seconds = 214;
  EXPECT_THAT(value_of(index_->enroll(request)).warnings, IsEmpty());
  request = request_of("b", make_track(2, 5));
  request.fingerprint.duration_seconds = 214;
  EXPECT_THAT(value_of(index_->enroll(request)).warnings, testing::ElementsAre("short"));
}

TEST_F(EnrollAllTest, WhatComesOutCanGoInElsewhere) {
  value_of(index_->create_bank(bank_named("other")));
  for (const char* content_id : {"b", "a", "c/d", "B"}) {
    EnrollRequest request = request_of(content_id, make_track(content_id[0], 30));
    request.metadata_json = R"({"artist":"x"})";
    value_of(index_->enroll(request));
  }
  value_of(index_->enroll(request_of("aa", make_track(9, 30), "other")));
  value_of(index_->suppress("spam", "b", {"disputed", {}}));
  const auto references = exported("spam");
  ASSERT_EQ(references.size(), 4U);
  for (const ExportedReference& reference : references) {
    const char first = reference.reference.content_id[0];
    EXPECT_EQ(reference.fingerprint.items, make_track(static_cast<uint64_t>(first), 30));
    EXPECT_EQ(reference.fingerprint.duration_seconds, reference.reference.duration_seconds);
    EXPECT_EQ(reference.reference.metadata_json, R"({"artist":"x"})");
    EXPECT_EQ(reference.reference.suppression.has_value(), first == 'b');
  }
  EXPECT_EQ(references[0].reference.content_id, "B");
  EXPECT_EQ(references[3].reference.content_id, "c/d");
  EXPECT_EQ(exported("other").size(), 1U);
  EXPECT_FALSE(index_->reference_after("none", ""));
  EXPECT_EQ(value_of(index_->reference_after("spam", "bb"))->reference.content_id, "c/d");
}

}  // namespace
}  // namespace soundgate
