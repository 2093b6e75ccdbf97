// From what was found to what is done: matches and the end of decoding become a verdict.
// Pure functions: the same input always gives the same verdict, so a decision can be replayed.
#pragma once

#include <optional>
#include <vector>

#include "control/policy/fail_policy.h"
#include "control/policy/verdict.h"
#include "dataplane/upload.h"
#include "fingerprint/decode/decoder_pool.h"
#include "index/match.h"

namespace soundgate {

// A match asks for its bank's action; one shorter than the bank's minimum asks at most for track.
Action action_of(const Match& match);

// allow, track: pass.  label, demote, hold_review: flag.  block: block.
VerdictKind verdict_of(Action action);

// The strictest of what the matches and the fail policy of the outcome ask for.
Verdict judge(std::vector<Match> matches, const DecodeEnd& end, const FailPolicy& policy);

// Of matches that are certain though more is to come: block, if one of them asks for it. That is
// the strictest action, so nothing that is found later, or fails, makes the verdict milder;
// anything else may still become block. What a match asks for rests on its bank and on matched
// seconds, which only grow; a condition on the share of the upload, which more audio makes smaller,
// has no place here.
std::optional<Verdict> judge_early(std::vector<Match> certain);

// The verdict on an upload that the dataplane let go without asking.
Verdict judge_unasked(DataplaneReason reason, const FailPolicy& policy);

}  // namespace soundgate
