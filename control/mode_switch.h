// Whether verdicts are enforced: switched at once, remembered in the store.
// Thread: any.
#pragma once

#include <mutex>
#include <string>

#include "control/decisions/decision_store.h"
#include "control/error.h"
#include "dataplane/dataplane.h"

namespace soundgate {

class ModeSwitch {
 public:
  // What the store remembers counts; the configuration's mode where it remembers nothing.
  static Result<ModeRecord> remembered(DecisionStore& store, Mode configured);

  // The only mode of an appliance that sees copies of packets.
  static ModeRecord observing();

  // dataplane: null where there is none. can_enforce: false where it is only shown copies.
  ModeSwitch(DecisionStore& store, ModeRecord current, Dataplane* dataplane,
             bool can_enforce = true)
      : store_(store),
        current_(std::move(current)),
        dataplane_(dataplane),
        can_enforce_(can_enforce) {}

  ModeRecord current() const;
  // Remembered first, then done: a mode that would be lost at a restart is never in force.
  Result<ModeRecord> set(Mode mode, const std::string& by, const std::string& reason);

 private:
  DecisionStore& store_;
  mutable std::mutex mutex_;
  ModeRecord current_;
  Dataplane* dataplane_;
  const bool can_enforce_;
};

}  // namespace soundgate
