// The JSON form of a decision: the one that the API, the command line and the store share.
// Times in seconds; timings since the epoch, with microseconds.  Every field is always there.
// Source: DESIGN, "Verdict JSON".
#pragma once

#include <nlohmann/json_fwd.hpp>

#include "control/decisions/decision.h"

namespace soundgate {

nlohmann::ordered_json verdict_json(const Decision& decision);

// Text of a JSON value. Bytes that are not UTF-8 become U+FFFD: paths may hold anything.
std::string dump(const nlohmann::ordered_json& value);

// The value of JSON text from outside; discarded where it is none, or nested deeper than
// kJsonDepthMax.
nlohmann::ordered_json parse_untrusted(std::string_view text);

std::string_view name(GateOutcome outcome);  // "released", "blocked", "released_unasked", …
std::string_view name(Mode mode);            // "observe", "enforce"

}  // namespace soundgate
