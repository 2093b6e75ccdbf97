// The line that tells of one reference enrolled: columns, or JSON.
#pragma once

#include <nlohmann/json_fwd.hpp>
#include <string>

#include "control/cli/invocation.h"

namespace soundgate {

// path: of the file that it came from. item: what the API says of it; with the line of the file, if
// the file holds several.
void print_enrolled(const Invocation& invocation, const std::string& path,
                    const nlohmann::ordered_json& item);

}  // namespace soundgate
