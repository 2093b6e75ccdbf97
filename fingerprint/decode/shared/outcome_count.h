// How many outcomes there are: what crosses the process boundary as a number is checked against it.
#pragma once

#include <cstdint>

namespace soundgate::decode {

inline constexpr uint32_t kOutcomeCount = 0
#define OUTCOME(name, text, checked, action) +1
#include "fingerprint/decode/outcomes.def"
#undef OUTCOME
    ;

}  // namespace soundgate::decode
