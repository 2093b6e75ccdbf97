// What the API says of references, wherever it speaks of them.
#pragma once

#include <nlohmann/json_fwd.hpp>
#include <optional>

#include "index/index.h"

namespace soundgate {

// Of one that was just enrolled.
nlohmann::ordered_json enrolled_json(const EnrollRequest& request, const EnrollResult& result);

nlohmann::ordered_json suppression_json(const std::optional<Suppression>& suppression);

}  // namespace soundgate
