// Wakes the collector. No process but ours has the descriptor: to ring never blocks.
// Thread: any rings, the collector looks.  Errors: std::system_error.
#pragma once

#include <sys/eventfd.h>
#include <unistd.h>

#include <cerrno>
#include <cstdint>
#include <system_error>

#include "fingerprint/decode/shared/unique_fd.h"

namespace soundgate::decode {

class Doorbell {
 public:
  Doorbell() : event_(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)) {
    if (!event_) throw std::system_error(errno, std::generic_category(), "cannot make an event");
  }

  int fd() const { return event_.get(); }  // readable once it was rung
  void ring() const {
    const uint64_t one = 1;
    [[maybe_unused]] const ssize_t ignored = ::write(event_.get(), &one, sizeof one);
  }
  void answer() const {
    uint64_t rings;
    [[maybe_unused]] const ssize_t ignored = ::read(event_.get(), &rings, sizeof rings);
  }

 private:
  UniqueFd event_;
};

}  // namespace soundgate::decode
