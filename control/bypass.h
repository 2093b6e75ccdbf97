// soundgated's side of the bypass: it forwards only while nobody else does.
// Errors: Error, one line.  Thread: take_over() and hand_over() from one; status() from any.
#pragma once

#include <filesystem>
#include <memory>
#include <optional>

#include "control/config/config.h"
#include "control/decisions/decision_store.h"
#include "control/error.h"
#include "control/forwarding_lock.h"

namespace soundgate {

class Bypass {
 public:
  // store: gets what the journal says.
  Bypass(BypassFiles files, DecisionStore& store) : files_(std::move(files)), store_(store) {}

  bool is_configured() const { return !files_.lock.empty(); }
  // From the return on nobody else forwards, until hand_over() or the end of the process.
  // kUnavailable: the bridge is not taken apart in time. ports: the interfaces, so far as known.
  Result<void> take_over(const std::vector<std::string>& interfaces);
  void hand_over();

  // Whether a soundgate-bypass watches, to go round if this process ends.
  bool is_watched() const;

 private:
  Result<void> take_lock();
  void import_journal();

  const BypassFiles files_;
  DecisionStore& store_;
  std::optional<ForwardingLock> lock_;
};

// "sg-client" of "net_af_packet0,iface=sg-client"; "" where the kernel has no say in it.
std::string kernel_interface(const std::string& device);

}  // namespace soundgate
