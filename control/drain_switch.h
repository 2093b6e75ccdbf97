// Whether uploads that begin now pass unchecked, so that those in flight can come to their end.
// Not remembered: a drain ends with the daemon that was drained.
// Thread: any.
#pragma once

#include <memory>
#include <mutex>
#include <string>

#include "control/error.h"
#include "dataplane/gate/intake.h"

namespace soundgate {

struct DrainRecord {
  bool draining = false;
  WallTime since{};  // of the last change; the start, where there was none
  std::string by;
  std::string reason;
};

class DrainSwitch {
 public:
  explicit DrainSwitch(std::shared_ptr<Intake> intake)
      : intake_(std::move(intake)),
        current_{false, std::chrono::system_clock::now(), "start", ""} {}

  DrainRecord current() const;
  DrainRecord set(bool draining, const std::string& by, const std::string& reason);

 private:
  const std::shared_ptr<Intake> intake_;
  mutable std::mutex mutex_;
  DrainRecord current_;
};

}  // namespace soundgate
