// The clients and hosts that pass uninspected for a while: kept in the store, so that a restart
// forgets none, and published to the lcores.
// Thread: any.  Errors: Error; what could not be written is not in force.
#pragma once

#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "control/decisions/decision_store.h"
#include "control/error.h"
#include "dataplane/gate/intake.h"

namespace soundgate {

class SkipBook {
 public:
  static constexpr std::chrono::days kLongest{30};  // a skip is for a while

  SkipBook(DecisionStore& store, std::shared_ptr<Intake> intake)
      : store_(store), intake_(std::move(intake)) {}

  Result<void> load();  // once, before anything else
  // The same once more replaces it. kConflict: there are kSkipsMax.
  Result<SkipRecord> add(SkipRecord skip);
  Result<void> remove(const std::string& what, const std::string& by);  // kNotFound
  std::vector<SkipRecord> in_force() const;                             // not over yet, by what

 private:
  void publish();

  DecisionStore& store_;
  const std::shared_ptr<Intake> intake_;
  mutable std::mutex mutex_;
  std::vector<SkipRecord> skips_;  // by what
};

}  // namespace soundgate
