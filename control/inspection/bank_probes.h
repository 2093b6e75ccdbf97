// Keeps the decoders' probes at what the banks ask for: the widest of all banks that are not
// paused. Acts on the uploads that begin from then on. Thread: any.
#pragma once

#include <mutex>

#include "fingerprint/decode/decoder_pool.h"
#include "index/index.h"

namespace soundgate {

class BankProbes {
 public:
  BankProbes(const Index& index, double cpu_share) : index_(index), cpu_share_(cpu_share) {}

  void attach(DecoderPool& pool);  // which must stay; before that there is nothing to keep
  void follow();                   // after every change of a bank
  void limit(double share);        // of what is configured: 0..1, for a while

 private:
  const Index& index_;
  const double cpu_share_;
  double share_ = 1;
  std::mutex mutex_;  // whoever is last has seen every change
  DecoderPool* pool_ = nullptr;
};

}  // namespace soundgate
