// Asks the decoders to look closer at uploads, until they end: whoever matches may be about to ask
// when the decoders are taken away.
// Thread: ask() from any; attach() and detach() from the one that starts and stops the decoders.
//   When detach() has returned nobody is asking, nor will be.
#pragma once

#include <cstdint>
#include <mutex>

#include "fingerprint/decode/decoder_pool.h"

namespace soundgate {

class CloserLooks {
 public:
  void attach(DecoderPool& decoders) { set(&decoders); }
  void detach() { set(nullptr); }

  void ask(uint64_t tag) {
    const std::lock_guard lock(mutex_);
    if (decoders_) decoders_->look_closer(tag);
  }

 private:
  void set(DecoderPool* decoders) {
    const std::lock_guard lock(mutex_);
    decoders_ = decoders;
  }

  std::mutex mutex_;
  DecoderPool* decoders_ = nullptr;
};

}  // namespace soundgate
