// From arguments to the command they choose.
#pragma once

#include <optional>

#include "control/cli/invocation.h"

namespace soundgate {

// Fills invocation, and its command; or says with which code to exit at once (--help, a mistake).
std::optional<int> parse_arguments(int argc, char** argv, Invocation& invocation);

}  // namespace soundgate
