#include "control/policy/policy.h"

#include <gtest/gtest.h>

namespace soundgate {
namespace {

Match match_of(Action action, double matched_seconds, double seconds_min = 10) {
  Match match;
  match.bank.name = "bank";
  match.bank.action = action;
  match.bank.seconds_min = seconds_min;
  match.query_match_seconds = matched_seconds;
  return match;
}

DecodeEnd end_of(DecodeOutcome outcome) { return {.outcome = outcome, .decoded_seconds = 60}; }

struct ActionRow {
  Action bank;
  double matched_seconds;
  Action action;
  VerdictKind verdict;
};

TEST(Policy, ABanksActionFromItsMinimumOnElseTrack) {
  const ActionRow rows[] = {
      {Action::kBlock, 10, Action::kBlock, VerdictKind::kBlock},
      {Action::kBlock, 9.99, Action::kTrack, VerdictKind::kPass},
      {Action::kHoldReview, 30, Action::kHoldReview, VerdictKind::kFlag},
      {Action::kDemote, 30, Action::kDemote, VerdictKind::kFlag},
      {Action::kLabel, 30, Action::kLabel, VerdictKind::kFlag},
      {Action::kTrack, 30, Action::kTrack, VerdictKind::kPass},
      {Action::kAllow, 30, Action::kAllow, VerdictKind::kPass},
      {Action::kAllow, 3, Action::kAllow, VerdictKind::kPass},
  };
  for (const ActionRow& row : rows) {
    const Verdict verdict =
        judge({match_of(row.bank, row.matched_seconds)}, end_of(DecodeOutcome::decoded), {});
    EXPECT_EQ(verdict.action, row.action) << name(row.bank) << " " << row.matched_seconds;
    EXPECT_EQ(verdict.verdict, row.verdict) << name(row.bank) << " " << row.matched_seconds;
    EXPECT_EQ(verdict.checked, Checked::kFull);
  }
}

TEST(Policy, TheStrictestOfSeveralMatchesWins) {
  const Verdict verdict = judge({match_of(Action::kTrack, 50), match_of(Action::kBlock, 20),
                                 match_of(Action::kHoldReview, 40)},
                                end_of(DecodeOutcome::decoded), {});
  EXPECT_EQ(verdict.verdict, VerdictKind::kBlock);
  EXPECT_EQ(verdict.reason, "match");
  ASSERT_EQ(verdict.matches.size(), 3u);
  EXPECT_EQ(verdict.matches[0].action, Action::kBlock);
  EXPECT_EQ(verdict.matches[2].action, Action::kTrack);
}

TEST(Policy, OnlyACertainBlockDecidesEarly) {
  EXPECT_FALSE(judge_early({}));
  for (const Action action :
       {Action::kAllow, Action::kTrack, Action::kLabel, Action::kHoldReview}) {
    EXPECT_FALSE(judge_early({match_of(action, 60)})) << name(action);
  }
  EXPECT_FALSE(judge_early({match_of(Action::kBlock, 9.99)}));
  const auto verdict = judge_early({match_of(Action::kAllow, 60), match_of(Action::kBlock, 10)});
  ASSERT_TRUE(verdict);
  EXPECT_EQ(verdict->verdict, VerdictKind::kBlock);
  EXPECT_EQ(verdict->action, Action::kBlock);
  EXPECT_EQ(verdict->reason, "match");
  EXPECT_EQ(verdict->checked, Checked::kPartial);
  EXPECT_EQ(verdict->matches.size(), 2u);
}

// Whatever else matches later, and however the decoding ends: the verdict stays.
TEST(Policy, NothingThatComesLaterUndoesAnEarlyBlock) {
  const Match certain = match_of(Action::kBlock, 10);
  ASSERT_TRUE(judge_early({certain}));
  for (int outcome = 0; outcome <= static_cast<int>(DecodeOutcome::too_long); ++outcome) {
    for (const Action later : {Action::kAllow, Action::kTrack, Action::kHoldReview}) {
      Match grown = certain;
      grown.query_match_seconds += 30;
      FailPolicy passes;
      for (const std::string_view reason : FailPolicy::names())
        passes.set(reason, FailAction::kPass);
      const Verdict verdict = judge({match_of(later, 3600), grown},
                                    end_of(static_cast<DecodeOutcome>(outcome)), passes);
      EXPECT_EQ(verdict.verdict, VerdictKind::kBlock);
    }
  }
}

TEST(Policy, NoMatchPasses) {
  const Verdict verdict = judge({}, end_of(DecodeOutcome::decoded), {});
  EXPECT_EQ(verdict.verdict, VerdictKind::kPass);
  EXPECT_EQ(verdict.action, Action::kAllow);
  EXPECT_EQ(verdict.reason, "no_match");
}

struct OutcomeRow {
  DecodeOutcome outcome;
  VerdictKind verdict;
  Checked checked;
};

TEST(Policy, OutcomesFollowTheFailPolicy) {
  const OutcomeRow rows[] = {
      {DecodeOutcome::not_audio, VerdictKind::kPass, Checked::kNone},
      {DecodeOutcome::too_short, VerdictKind::kPass, Checked::kNone},
      {DecodeOutcome::truncated, VerdictKind::kPass, Checked::kPartial},
      {DecodeOutcome::decoder_crash, VerdictKind::kFlag, Checked::kNone},
      {DecodeOutcome::decoder_cpu, VerdictKind::kFlag, Checked::kPartial},
      {DecodeOutcome::decoder_inflate, VerdictKind::kFlag, Checked::kPartial},
      {DecodeOutcome::decoder_lost, VerdictKind::kFlag, Checked::kPartial},
  };
  for (const OutcomeRow& row : rows) {
    const Verdict verdict = judge({}, end_of(row.outcome), {});
    EXPECT_EQ(verdict.verdict, row.verdict) << outcome_name(row.outcome);
    EXPECT_EQ(verdict.checked, row.checked) << outcome_name(row.outcome);
    EXPECT_EQ(verdict.reason, outcome_name(row.outcome));
  }
}

TEST(Policy, AMatchInWhatWasSeenStillCounts) {
  const Verdict blocked =
      judge({match_of(Action::kBlock, 20)}, end_of(DecodeOutcome::decoder_lost), {});
  EXPECT_EQ(blocked.verdict, VerdictKind::kBlock);
  EXPECT_EQ(blocked.reason, "match");
  EXPECT_EQ(blocked.checked, Checked::kPartial);

  // Too short to matter: the outcome decides, and the match stays as evidence.
  const Verdict flagged =
      judge({match_of(Action::kBlock, 5)}, end_of(DecodeOutcome::decoder_lost), {});
  EXPECT_EQ(flagged.verdict, VerdictKind::kFlag);
  EXPECT_EQ(flagged.reason, "decoder_lost");
  EXPECT_EQ(flagged.matches.size(), 1u);
}

TEST(Policy, AFailPolicyThatBlocksIsStricterThanAMatchThatFlags) {
  FailPolicy policy;
  ASSERT_TRUE(policy.set("decoder_crash", FailAction::kBlock));
  const Verdict verdict =
      judge({match_of(Action::kHoldReview, 20)}, end_of(DecodeOutcome::decoder_crash), policy);
  EXPECT_EQ(verdict.verdict, VerdictKind::kBlock);
  EXPECT_EQ(verdict.reason, "decoder_crash");
}

TEST(Policy, AGapMakesItPartial) {
  DecodeEnd end = end_of(DecodeOutcome::decoded);
  end.gap_seconds = 1.5;
  const Verdict flagged = judge({}, end, {});
  EXPECT_EQ(flagged.checked, Checked::kPartial);
  EXPECT_EQ(flagged.verdict, VerdictKind::kFlag);
  EXPECT_EQ(flagged.reason, "decoder_lost");

  // A file that promises more than it holds must not hide what was lost of it.
  DecodeEnd truncated = end_of(DecodeOutcome::truncated);
  EXPECT_EQ(judge({}, truncated, {}).verdict, VerdictKind::kPass);
  truncated.gap_seconds = 1.5;
  EXPECT_EQ(judge({}, truncated, {}).reason, "decoder_lost");
  EXPECT_EQ(judge({}, truncated, {}).verdict, VerdictKind::kFlag);

  FailPolicy policy;
  ASSERT_TRUE(policy.set("decoder_lost", FailAction::kBlock));
  EXPECT_EQ(judge({match_of(Action::kLabel, 20)}, end, policy).verdict, VerdictKind::kBlock);
  EXPECT_EQ(judge({match_of(Action::kBlock, 20)}, end, {}).reason, "match");
}

TEST(Policy, WhatWasSkippedOnPurposeMakesItPartialAndIsNoFailure) {
  DecodeEnd end = end_of(DecodeOutcome::decoded);
  end.skipped_seconds = 30;
  const Verdict passed = judge({}, end, {});
  EXPECT_EQ(passed.checked, Checked::kPartial);
  EXPECT_EQ(passed.verdict, VerdictKind::kPass);
  EXPECT_EQ(passed.reason, "no_match");
  EXPECT_EQ(judge({match_of(Action::kBlock, 20)}, end, {}).verdict, VerdictKind::kBlock);
  DecodeEnd lost = end_of(DecodeOutcome::not_audio);
  lost.skipped_seconds = 30;
  EXPECT_EQ(judge({}, lost, {}).checked, Checked::kNone);
}

TEST(Policy, UnaskedFollowsTheDataplanesReason) {
  const Verdict deadline = judge_unasked(DataplaneReason::hold_deadline, {});
  EXPECT_EQ(deadline.verdict, VerdictKind::kFlag);
  EXPECT_EQ(deadline.checked, Checked::kNone);
  EXPECT_EQ(deadline.reason, "hold_deadline");
  EXPECT_EQ(judge_unasked(DataplaneReason::http_ambiguous, {}).verdict, VerdictKind::kBlock);
}

TEST(FailPolicy, EveryReasonHasANameAndASentence) {
  for (const std::string_view reason : FailPolicy::names()) {
    EXPECT_FALSE(reason_text(reason).empty()) << reason;
    FailPolicy policy;
    EXPECT_TRUE(policy.set(reason, FailAction::kBlock)) << reason;
  }
  EXPECT_FALSE(FailPolicy().set("decoded", FailAction::kBlock));
  EXPECT_FALSE(FailPolicy().set("", FailAction::kBlock));
}

}  // namespace
}  // namespace soundgate
