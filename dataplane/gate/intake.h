// What is said from outside about uploads that are still to begin: that they pass unchecked, and
// for which reason. Every lcore asks the same one.
// Thread: set from any; asked by lcores, which neither wait nor allocate.
#pragma once

#include <atomic>
#include <string_view>
#include <vector>

#include "dataplane/gate/skip_rule.h"
#include "dataplane/published.h"

namespace soundgate {

class Intake {
 public:
  // Uploads that have begun go on to their end.
  void set_draining(bool draining) { draining_.store(draining, std::memory_order_relaxed); }
  // There is more to decode than can be: new uploads pass with the reason overload, and the senders
  // of those that arrive are slowed down.
  void set_overloaded(bool overloaded) { overloaded_.store(overloaded, std::memory_order_relaxed); }
  void set_back_pressure(bool on) { back_pressure_.store(on, std::memory_order_relaxed); }
  bool back_pressure() const { return back_pressure_.load(std::memory_order_relaxed); }
  // At most kSkipsMax; the surplus is left out.
  void set_skips(std::vector<SkipRule> skips);

  // kNone: it is to be inspected. host: effective_host() of the request.
  DataplaneReason reason_to_pass(unsigned lcore_index, const FlowKey& flow, std::string_view host,
                                 WallTime now);

 private:
  std::atomic<bool> draining_{false};
  std::atomic<bool> overloaded_{false};
  std::atomic<bool> back_pressure_{false};
  std::atomic<bool> has_skips_{false};
  Published<std::vector<SkipRule>> skips_;
};

}  // namespace soundgate
