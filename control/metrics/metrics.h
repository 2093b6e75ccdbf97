// Soundgate's counters as Prometheus text (exposition format 0.0.4).
#pragma once

#include <string>

#include "control/api/services.h"

namespace soundgate {

std::string metrics_text(const Services& services);

}  // namespace soundgate
