// From what was found to what is done: matches and the end of decoding become a verdict.
// Pure functions: the same input always gives the same verdict, so a decision can be replayed.
#pragma once

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

// The verdict on an upload that the dataplane let go without asking.
Verdict judge_unasked(DataplaneReason reason, const FailPolicy& policy);

}  // namespace soundgate
