// What `decisions show` says: the reason, the numbers, and a command that can be pasted.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "control/cli/output.h"
#include "control/cli/verdict_text.h"
#include "control/decisions/verdict_json.h"

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
  decision.gate = GateReport{.outcome = GateOutcome::kReleasedUnasked,
                             .reason = DataplaneReason::hold_deadline};
  const auto lines = explain(verdict_json(decision), "");
  EXPECT_THAT(lines,
              Contains(HasSubstr("let through without waiting for a verdict (no verdict within")));
  EXPECT_THAT(lines, Contains(HasSubstr("It was not checked (hold_deadline: ")));
  EXPECT_THAT(lines, Contains(HasSubstr("fail_policy.hold_deadline = \"pass\"")));
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

TEST(Shortened, CutsCharactersNotBytes) {
  EXPECT_EQ(shortened("äöüäöü", 4), "äöü…");
  EXPECT_EQ(shortened("äöüä", 4), "äöüä");
}

}  // namespace
}  // namespace soundgate
