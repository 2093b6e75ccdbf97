// A capture as the socket shows it.
#pragma once

#include <nlohmann/json_fwd.hpp>

#include "control/decisions/decision_store.h"

namespace soundgate {

nlohmann::ordered_json capture_record_json(const CaptureRecord& record);

}  // namespace soundgate
