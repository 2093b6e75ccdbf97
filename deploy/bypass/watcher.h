// Bridges whenever no soundgated forwards, and takes the bridge apart before one does.
// The lock says who may: this program while it has byte 0, soundgated otherwise
// (forwarding_lock.h). Thread: one; run() returns when a signal comes, and leaves everything as it
// is.
#pragma once

#include <atomic>
#include <filesystem>

#include "control/forwarding_lock.h"
#include "deploy/bypass/bridge.h"

namespace soundgate::bypass {

class Watcher {
 public:
  Watcher(ForwardingLock lock, Bridge bridge, std::filesystem::path journal,
          const std::atomic<bool>& stopping)
      : lock_(std::move(lock)),
        bridge_(std::move(bridge)),
        journal_(std::move(journal)),
        stopping_(stopping) {}

  void run();

 private:
  void go_round();
  void hand_over();
  void insist(const char* what, Bridge::Done (Bridge::*act)());

  ForwardingLock lock_;
  Bridge bridge_;
  const std::filesystem::path journal_;
  const std::atomic<bool>& stopping_;
};

}  // namespace soundgate::bypass
