#include "control/policy/policy.h"

#include <algorithm>
#include <array>
#include <utility>

namespace soundgate {
namespace {

constexpr std::array<std::string_view, 3> kVerdicts = {"pass", "flag", "block"};
constexpr std::array<std::string_view, 3> kChecked = {"full", "partial", "none"};

template <class Enum, size_t count>
std::optional<Enum> parse(const std::array<std::string_view, count>& names, std::string_view text) {
  for (size_t i = 0; i < count; ++i) {
    if (names[i] == text) return static_cast<Enum>(i);
  }
  return {};
}

VerdictKind verdict_of(FailAction action) { return static_cast<VerdictKind>(action); }

// An unchecked upload that is flagged carries the mildest action that flags: it is marked, and no
// review of matches is opened for it.
Action action_of(FailAction action) {
  switch (action) {
    case FailAction::kPass:
      return Action::kAllow;
    case FailAction::kFlag:
      return Action::kLabel;
    case FailAction::kBlock:
      return Action::kBlock;
  }
  return Action::kLabel;
}

Verdict failed(FailAction action, std::string_view reason, Checked checked) {
  return {verdict_of(action), action_of(action), std::string(reason), checked, {}};
}

std::vector<JudgedMatch> judge_matches(std::vector<Match> matches) {
  std::vector<JudgedMatch> judged;
  judged.reserve(matches.size());
  for (Match& match : matches) {
    const Action action = action_of(match);
    judged.push_back({std::move(match), action});
  }
  std::stable_sort(judged.begin(), judged.end(), [](const JudgedMatch& a, const JudgedMatch& b) {
    if (a.action != b.action) return a.action > b.action;
    return a.match.query_match_seconds > b.match.query_match_seconds;
  });
  return judged;
}

// Resumed on another worker: decoded to where it ends, but not every second of it was seen. What
// the lost worker took along is as unchecked as if nobody had resumed.
DecodeOutcome cause_of(const DecodeEnd& end) {
  const bool to_its_end =
      end.outcome == DecodeOutcome::decoded || end.outcome == DecodeOutcome::truncated;
  const bool gap = to_its_end && end.gap_seconds > 0;
  return gap ? DecodeOutcome::decoder_lost : end.outcome;
}

}  // namespace

std::string_view name(VerdictKind verdict) { return kVerdicts.at(static_cast<size_t>(verdict)); }
std::string_view name(Checked checked) { return kChecked.at(static_cast<size_t>(checked)); }

std::optional<VerdictKind> parse_verdict(std::string_view text) {
  return parse<VerdictKind>(kVerdicts, text);
}
std::optional<Checked> parse_checked(std::string_view text) {
  return parse<Checked>(kChecked, text);
}

Action action_of(const Match& match) {
  if (match.query_match_seconds >= match.bank.seconds_min) return match.bank.action;
  return std::min(match.bank.action, Action::kTrack);
}

VerdictKind verdict_of(Action action) {
  if (action == Action::kBlock) return VerdictKind::kBlock;
  return action >= Action::kLabel ? VerdictKind::kFlag : VerdictKind::kPass;
}

Verdict judge(std::vector<Match> matches, const DecodeEnd& end, const FailPolicy& policy) {
  const DecodeOutcome cause = cause_of(end);
  Verdict by_failure = failed(policy.of(cause), outcome_name(cause), checked_of(cause));
  if (cause == DecodeOutcome::decoded) by_failure.reason = kReasonNoMatch;
  if (end.skipped_seconds > 0) by_failure.checked = std::max(by_failure.checked, Checked::kPartial);

  Verdict verdict = std::move(by_failure);
  verdict.matches = judge_matches(std::move(matches));
  if (verdict.matches.empty()) return verdict;
  const Action strictest = verdict.matches.front().action;
  if (strictest == Action::kAllow || verdict_of(strictest) < verdict.verdict) return verdict;
  verdict.verdict = verdict_of(strictest);
  verdict.action = strictest;
  verdict.reason = kReasonMatch;
  return verdict;
}

std::optional<Verdict> judge_early(std::vector<Match> certain) {
  Verdict verdict{VerdictKind::kBlock, Action::kBlock, std::string(kReasonMatch), Checked::kPartial,
                  judge_matches(std::move(certain))};
  const bool blocks = !verdict.matches.empty() && verdict.matches.front().action == Action::kBlock;
  return blocks ? std::optional(std::move(verdict)) : std::nullopt;
}

Verdict judge_unasked(DataplaneReason reason, const FailPolicy& policy) {
  return failed(policy.of(reason), reason_name(reason), Checked::kNone);
}

}  // namespace soundgate
