#include "control/inspection/overload_control.h"

#include <algorithm>

#include "control/log.h"

namespace soundgate {

void OverloadControl::look(OverloadLadder::Clock::time_point now) {
  const double load = static_cast<double>(pool_.status().waiting_bytes) / payload_bytes_;
  const OverloadStep before = ladder_.step();
  const OverloadStep step = ladder_.look(load, now);
  if (step != before) carry_out(step);
  const std::lock_guard lock(mutex_);
  status_.load = load;
  status_.step = step;
  if (step > before) ++status_.entered.at(static_cast<size_t>(step));
  if (step == before) return;
  log(step > before ? LogLevel::kWarn : LogLevel::kInfo, "overload_step",
      {{"step", std::string(name(step))},
       {"before", std::string(name(before))},
       {"load_percent", std::to_string(static_cast<int>(load * 100))}});
}

// Each step keeps those before it.
void OverloadControl::carry_out(OverloadStep step) {
  probes_.limit(step >= OverloadStep::kShortProbes ? 0 : 1);
  CoverageSettings coverage = coverage_;
  if (step >= OverloadStep::kSparse) coverage.share = std::min(coverage.share, kSparseShare);
  pool_.set_coverage(coverage);
  intake_->set_back_pressure(step >= OverloadStep::kBackPressure);
  intake_->set_overloaded(step >= OverloadStep::kFailPolicy);
}

OverloadControl::Status OverloadControl::status() const {
  const std::lock_guard lock(mutex_);
  return status_;
}

}  // namespace soundgate
