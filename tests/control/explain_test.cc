// What `decisions show` says: the reason, the numbers, and a command that can be pasted.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "control/cli/output.h"
#include "control/cli/verdict_text.h"
#include "control/decisions/verdict_json.h"
#include "control/text.h"

namespace soundgate {
namespace {

using testing::Contains;
using testing::HasSubstr;

Decision blocked() {
  Match match;
  match.bank = {.name = "spam", .action = Action::kBlock};
  match.content_id = "it's";
  match.title = "Ti\x1btle";
  match.score = 0.93;
  match.threshold = 0.38;
  match.query_match_seconds = 42;
  match.segments.push_back({10, 52, 70, 112, 1.03, 0.05, 0.93, 0.999});
  Decision decision;
  decision.upload_id = "01ABC";
  decision.mode = "enforce";
  decision.enforced = true;
  decision.request = {"r1", "PUT", "origin", "/a\nb.mp3", "192.0.2.7:4000", ""};
  decision.verdict = {
      VerdictKind::kBlock, Action::kBlock, "match", Checked::kFull, {{match, Action::kBlock}}};
  decision.decode =
      DecodeEnd{.outcome = DecodeOutcome::decoded, .decoded_seconds = 190, .duration_seconds = 190};
  decision.gate = GateReport{.outcome = GateOutcome::kBlocked};
  return decision;
}

TEST(Explain, ABlockedUpload) {
  const auto lines = explain(verdict_json(blocked()), " --store /s");
  EXPECT_THAT(lines, Contains(HasSubstr("PUT /a\\nb.mp3 to origin from 192.0.2.7:4000")));
  EXPECT_THAT(lines, Contains("The client was refused, and the origin's connection was reset."));
  EXPECT_THAT(lines, Contains(HasSubstr("0:42 of it (22 %) is “Ti\\x1btle”, bank spam")));
  EXPECT_THAT(lines,
              Contains("  0:10–0:52 of the upload is 1:10–1:52 of the reference, at 1.03 times "
                       "its speed, score .93."));
  EXPECT_THAT(lines, Contains(HasSubstr("Best score .93, where .38 counts as a match.")));
  EXPECT_THAT(lines,
              Contains("  soundgate item suppress spam 'it'\\''s' --reason 'false match in 01ABC' "
                       "--store /s"));
  EXPECT_THAT(lines, Contains("  soundgate bank set spam --action track --store /s"));
}

TEST(Explain, AStoppedUpload) {
  Decision decision = blocked();
  decision.early = EarlyVerdict{.heard_seconds = 14, .bytes = 212992, .stopped = true};
  decision.decode.reset();
  decision.verdict.checked = Checked::kPartial;
  const auto lines = explain(verdict_json(decision), "");
  EXPECT_THAT(lines, Contains(testing::AllOf(HasSubstr("After 0:14 of audio ("),
                                             HasSubstr("it was stopped there."))));
  EXPECT_THAT(lines, Contains("What would have followed was not heard."));
  EXPECT_THAT(lines, Contains(HasSubstr("0:42 of it is “Ti\\x1btle”, bank spam")));
}

TEST(Explain, AnUploadThatWouldHaveBeenStopped) {
  Decision decision = blocked();
  decision.mode = "observe";
  decision.early = EarlyVerdict{.heard_seconds = 14, .bytes = 212992};
  EXPECT_THAT(explain(verdict_json(decision), ""),
              Contains(HasSubstr("enforcing, Soundgate would have stopped it there.")));
  EXPECT_THAT(explain(verdict_json(decision), ""), Contains("All of its 3:10 was heard."));
}

TEST(Explain, TheBanksRule) {
  Decision decision = blocked();
  EXPECT_THAT(explain(verdict_json(decision), ""),
              Contains("  Bank spam asks for 10 s of matched audio, and there are 42 s: its action "
                       "counts, block."));
  JudgedMatch& judged = decision.verdict.matches[0];
  judged.match.query_match_seconds = 9.7;
  judged.action = Action::kTrack;
  EXPECT_THAT(
      explain(verdict_json(decision), ""),
      Contains("  Bank spam asks for 10 s of matched audio, and there are 9.7 s: too little "
               "for its action, so this counts as track."));
}

TEST(Explain, WhyItWasNotEnforced) {
  Decision decision = blocked();
  EXPECT_THAT(explain(verdict_json(decision), ""), Contains(HasSubstr("match), enforced.")));
  decision.enforced = false;
  decision.mode = "observe";
  EXPECT_THAT(explain(verdict_json(decision), ""),
              Contains(HasSubstr("not enforced: Soundgate observed; enforcing, it would have")));
  decision.mode = "enforce";
  decision.gate = GateReport{.outcome = GateOutcome::kAborted};
  EXPECT_THAT(explain(verdict_json(decision), ""),
              Contains(HasSubstr("not enforced: the upload had ended before.")));
}

TEST(Explain, HowMuchWasHeard) {
  Decision decision = blocked();
  EXPECT_THAT(explain(verdict_json(decision), ""), Contains("All of its 3:10 was heard."));
  decision.decode->exact = true;
  EXPECT_THAT(explain(verdict_json(decision), ""),
              Contains("All of its 3:10 was heard, when the same bytes came before."));
  decision.decode->exact_packets = true;
  EXPECT_THAT(
      explain(verdict_json(decision), ""),
      Contains("All of its 3:10 was heard, when the same audio came before in another file."));
  decision.verdict.checked = Checked::kPartial;
  decision.decode =
      DecodeEnd{.outcome = DecodeOutcome::damaged, .decoded_seconds = 60, .duration_seconds = 190};
  EXPECT_THAT(explain(verdict_json(decision), ""),
              Contains("Only 1:00 of its 3:10 was heard (damaged: parts of the audio could not be "
                       "decoded)."));
  decision.verdict = {VerdictKind::kFlag, Action::kLabel, "decoder_crash", Checked::kNone, {}};
  decision.decode = DecodeEnd{.outcome = DecodeOutcome::decoder_crash, .decoded_seconds = 60};
  EXPECT_THAT(explain(verdict_json(decision), ""),
              Contains("Only 1:00 of it was heard (decoder_crash: the decoder crashed on this "
                       "upload)."));
}

TEST(Explain, AValueIsNoSentence) {
  Decision decision = blocked();
  decision.request.host = "origin from 203.0.113.9:1, uploader trusted";
  EXPECT_THAT(explain(verdict_json(decision), ""),
              Contains(HasSubstr("to \"origin from 203.0.113.9:1, uploader trusted\" from "
                                 "192.0.2.7:4000, request r1")));
}

TEST(Explain, WhatWasFoundTooLateDidNotDecide) {
  Decision decision = blocked();
  decision.verdict.reason = "hold_deadline";
  decision.verdict.verdict = VerdictKind::kFlag;
  EXPECT_THAT(explain(verdict_json(decision), ""), Contains("What it matched did not decide:"));
}

TEST(Explain, IdsThatACommandLineMistakes) {
  Decision decision = blocked();
  decision.verdict.matches[0].match.content_id = "-x";
  EXPECT_THAT(
      explain(verdict_json(decision), " --store /s"),
      Contains("  soundgate item suppress --reason 'false match in 01ABC' --store /s -- spam "
               "'-x'"));
  decision.verdict.matches[0].match.content_id = "a\xc2\x9b'";
  EXPECT_THAT(explain(verdict_json(decision), ""),
              Contains(HasSubstr("suppress spam $'a\\302\\233\\047' --reason")));
}

TEST(Explain, UndoingTakesEveryMatchThatKeepsItFromPassing) {
  Decision decision = blocked();
  const auto add = [&](const char* bank, const char* content_id, Action action) {
    Match match = decision.verdict.matches[0].match;
    match.bank = {.name = bank, .action = action};
    match.content_id = content_id;
    decision.verdict.matches.push_back({match, action});
  };
  add("spam", "second", Action::kBlock);
  add("music", "third", Action::kLabel);
  add("news", "fourth", Action::kTrack);
  const auto lines = explain(verdict_json(decision), "");
  EXPECT_THAT(lines, Contains(HasSubstr("item suppress spam 'it'\\''s'")));
  EXPECT_THAT(lines, Contains(HasSubstr("item suppress spam second")));
  EXPECT_THAT(lines, Contains(HasSubstr("item suppress music third")));
  EXPECT_THAT(lines, Not(Contains(HasSubstr("item suppress news"))));
  EXPECT_THAT(lines, Contains(HasSubstr("bank set spam")).Times(1));
  EXPECT_THAT(lines, Contains(HasSubstr("bank set music")));
}

TEST(Explain, AnUploadThatWasNotChecked) {
  Decision decision = blocked();
  decision.verdict = {VerdictKind::kFlag, Action::kLabel, "hold_deadline", Checked::kNone, {}};
  decision.decode.reset();
  decision.gate = GateReport{.outcome = GateOutcome::kReleasedUnasked,
                             .reason = DataplaneReason::hold_deadline};
  const auto lines = explain(verdict_json(decision), "");
  EXPECT_THAT(lines,
              Contains(HasSubstr("let through without waiting for a verdict (no verdict within")));
  EXPECT_THAT(lines, Contains(HasSubstr("It was not checked (hold_deadline: ")));
  EXPECT_THAT(lines, Contains(HasSubstr("fail_policy.hold_deadline = \"pass\"")));
  EXPECT_THAT(lines, Not(Contains(HasSubstr("Nothing in the index matched."))));
}

TEST(VerdictColumns, LineUp) {
  const std::string line = verdict_columns(verdict_json(blocked()));
  EXPECT_EQ(line,
            "block  spam/“Ti\\x1btle”                matched 0:42 of 3:10   score .93 (≥ .38)");
}

TEST(ShellQuoted, CanBePasted) {
  EXPECT_EQ(shell_quoted("a-b.c/d"), "a-b.c/d");
  EXPECT_EQ(shell_quoted("a b"), "'a b'");
  EXPECT_EQ(shell_quoted("$(x)'"), "'$(x)'\\'''");
  EXPECT_EQ(shell_quoted(""), "''");
  EXPECT_EQ(shell_quoted("-x"), "'-x'");
}

TEST(VerdictColumns, LineUpWithWideTitles) {
  Decision decision = blocked();
  decision.verdict.matches[0].match.title = "とても長い曲の名前は四十桁より長いのです";
  const std::string line = verdict_columns(verdict_json(decision));
  const std::string_view before = std::string_view(line).substr(0, line.find("matched"));
  EXPECT_EQ(column_count(before), 5u + 2 + 30 + 2);
}

TEST(Shortened, CutsCharactersNotBytes) {
  EXPECT_EQ(shortened("äöüäöü", 4), "äöü…");
  EXPECT_EQ(shortened("äöüä", 4), "äöüä");
}

}  // namespace
}  // namespace soundgate
