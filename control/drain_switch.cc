#include "control/drain_switch.h"

#include "control/log.h"

namespace soundgate {

DrainRecord DrainSwitch::current() const {
  const std::lock_guard lock(mutex_);
  return current_;
}

DrainRecord DrainSwitch::set(bool draining, const std::string& by, const std::string& reason) {
  const std::lock_guard lock(mutex_);
  if (current_.draining == draining) return current_;  // what is so already is not said twice
  current_ = {draining, std::chrono::system_clock::now(), by, reason};
  intake_->set_draining(draining);
  log(LogLevel::kWarn, draining ? "drain_began" : "drain_ended", {{"by", by}, {"reason", reason}});
  return current_;
}

}  // namespace soundgate
