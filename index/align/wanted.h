// Which references an upload may be told of while it arrives.
// Thread: any.
#pragma once

#include <chrono>
#include <cstdlib>

#include "fingerprint/fingerprint.h"
#include "index/bank.h"
#include "index/search/snapshot.h"

namespace soundgate {

// Those of banks that ask for `least` or more, and for probes so far, which nobody has suppressed.
inline bool is_wanted(const Snapshot& snapshot, Slot slot, int view, Action least) {
  if (!is_live(snapshot, slot)) return false;
  const ReferenceEntry& entry = *snapshot.references.at(slot);
  const Bank& bank = snapshot.banks.at(entry.bank_id);
  return bank.action >= least &&
         (!is_probe(view) || std::abs(step_of(view)) <= probe_step_max(bank.probes)) &&
         !is_in_force(entry.reference.suppression, std::chrono::system_clock::now());
}

}  // namespace soundgate
