#include "control/inspection/bank_probes.h"

#include <algorithm>

namespace soundgate {

void BankProbes::attach(DecoderPool& pool) {
  {
    const std::lock_guard lock(mutex_);
    pool_ = &pool;
  }
  follow();
}

void BankProbes::limit(double share) {
  {
    const std::lock_guard lock(mutex_);
    if (share_ == share) return;
    share_ = share;
  }
  follow();
}

void BankProbes::follow() {
  const std::lock_guard lock(mutex_);
  if (pool_ == nullptr) return;
  int step_max = 0;
  for (const Bank& bank : index_.banks()) {
    if (!bank.paused) step_max = std::max(step_max, probe_step_max(bank.probes));
  }
  if (share_ == 0) step_max = 0;
  pool_->set_probes({.step_max = step_max, .cpu_share = cpu_share_ * share_});
}

}  // namespace soundgate
