// Whose later parts are refused, and what lets them through again.
#include "control/inspection/refused_uploads.h"

#include <gtest/gtest.h>

#include "control/limits.h"

namespace soundgate {
namespace {

using std::chrono::system_clock;

Decision blocked(const std::string& upload_id, std::vector<std::pair<std::string, Action>> by) {
  Decision decision;
  decision.upload_id = upload_id;
  decision.decided = system_clock::now() + std::chrono::hours(1);
  for (const auto& [content_id, action] : by) {
    JudgedMatch judged;
    judged.match.bank.name = "spam";
    judged.match.content_id = content_id;
    judged.action = action;
    decision.verdict.matches.push_back(judged);
  }
  return decision;
}

struct Refused : RefusedUploads {
  Refused() {
    attach([this](const std::vector<UploadKey>& uploads) {
      lifted.insert(lifted.end(), uploads.begin(), uploads.end());
      ++lifts;
      return true;
    });
  }
  size_t lifts = 0;
  std::vector<UploadKey> lifted;
};

TEST(RefusedUploads, AreLiftedByTheReferenceThatBlockedThem) {
  Refused refused;
  refused.add(blocked("one", {{"a", Action::kBlock}, {"b", Action::kTrack}}), UploadKey{1});
  EXPECT_EQ(refused.lift_reference("spam", "b"), 0u);  // it did not block
  EXPECT_EQ(refused.lift_reference("other", "a"), 0u);
  EXPECT_EQ(refused.lift_reference("spam", "a"), 1u);
  EXPECT_EQ(refused.lifted, std::vector{UploadKey{1}});
  EXPECT_EQ(refused.lift_reference("spam", "a"), 0u);
}

TEST(RefusedUploads, StayAsLongAsAnyReferenceBlocks) {
  Refused refused;
  refused.add(blocked("one", {{"a", Action::kBlock}, {"b", Action::kBlock}}), UploadKey{1});
  EXPECT_EQ(refused.lift_reference("spam", "a"), 0u);
  EXPECT_EQ(refused.lift_reference("spam", "b"), 1u);
}

TEST(RefusedUploads, AreLiftedByTheirBankAndByAnOperator) {
  Refused refused;
  refused.add(blocked("one", {{"a", Action::kBlock}}), UploadKey{1});
  refused.add(blocked("two", {}), UploadKey{2});  // for a reason: no reference lifts it
  EXPECT_EQ(refused.lift_bank("spam"), 1u);
  EXPECT_FALSE(refused.release("one"));
  EXPECT_TRUE(refused.release("two"));
  EXPECT_FALSE(refused.release("two"));
  EXPECT_EQ(refused.lifted, (std::vector{UploadKey{1}, UploadKey{2}}));
}

// A bank may have blocked thousands, and each look at the refusals is one at all of them.
TEST(RefusedUploads, AreLiftedAtOnce) {
  Refused refused;
  for (uint64_t i = 1; i <= 100; ++i) {
    refused.add(blocked(std::to_string(i), {{"a", Action::kBlock}}), UploadKey{i});
  }
  EXPECT_EQ(refused.lift_bank("spam"), 100u);
  EXPECT_EQ(refused.lifted.size(), 100u);
  EXPECT_EQ(refused.lifts, 1u);
}

TEST(RefusedUploads, ASuppressionThatWasFasterThanTheRecordCounts) {
  Refused refused;
  Decision decision = blocked("one", {{"a", Action::kBlock}});
  decision.decided = system_clock::now() - std::chrono::seconds(1);
  refused.lift_reference("spam", "a");
  refused.add(decision, UploadKey{1});
  EXPECT_EQ(refused.lifted, std::vector{UploadKey{1}});
  refused.add(blocked("two", {{"a", Action::kBlock}}), UploadKey{2});  // it was restored since
  EXPECT_EQ(refused.lifted.size(), 1u);
}

TEST(RefusedUploads, AreBounded) {
  Refused refused;
  for (size_t i = 0; i <= kRefusedUploadsMax; ++i) {
    refused.add(blocked(std::to_string(i), {{"a", Action::kBlock}}), UploadKey{i + 1});
  }
  EXPECT_FALSE(refused.release("0"));
  EXPECT_TRUE(refused.release("1"));
}

}  // namespace
}  // namespace soundgate
