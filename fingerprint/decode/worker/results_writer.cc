#include "fingerprint/decode/worker/results_writer.h"

#include "fingerprint/decode/shared/futex.h"
#include "fingerprint/decode/shared/handover.h"

namespace soundgate::decode {

uint64_t ResultsWriter::unread() const {
  return written_ - payload_.results_read.load(std::memory_order_acquire);
}

void ResultsWriter::push(const ResultEntry& entry) {
  while (!has_room(kResultEntries)) {
    notify();
    beat();  // a slow reader is not our stall
    const uint32_t sequence = payload_.wake_sequence.load();
    if (!has_room(kResultEntries)) futex_wait(payload_.wake_sequence, sequence, kRingWait);
  }
  result_entry(memory_, written_) = entry;
  header().written.store(++written_, std::memory_order_release);
  if (entry.kind == ResultKind::kEnded || written_ - notified_ >= kResultEntries / 4) notify();
}

void ResultsWriter::notify() {
  if (notified_ == written_) return;
  notified_ = written_;
  call_host(socket_);
}

void ResultsWriter::notify_if_late(std::chrono::steady_clock::time_point now) {
  if (now - last_notify_ < kNotifyEvery) return;
  last_notify_ = now;
  notify();
}

void ResultsWriter::beat() { header().heartbeat.store(++beats_, std::memory_order_relaxed); }

void ResultsWriter::set_running(uint64_t mark) {
  header().running.store(mark, std::memory_order_relaxed);
}

}  // namespace soundgate::decode
