#include "fingerprint/decode/worker/scheduler.h"

#include <utility>

#include "fingerprint/decode/shared/futex.h"

namespace soundgate::decode {

Scheduler::Scheduler(const std::byte* payload, std::byte* results, int socket, StreamBody body)
    : payload_(payload), results_(results, payload_.header(), socket), body_(std::move(body)) {}

void Scheduler::run(const std::function<bool()>& host_is_alive) {
  while (host_is_alive()) {
    while (round()) results_.notify_if_late(std::chrono::steady_clock::now());
    sleep();
  }
}

bool Scheduler::round() {
  results_.beat();
  bool got_on = false;
  for (uint32_t slot = 0; slot < payload_.geometry().slot_count; ++slot) got_on |= visit(slot);
  return got_on;
}

bool Scheduler::visit(uint32_t slot) {
  std::unique_ptr<StreamTask>& task = tasks_[slot];
  if (!task) {
    const Slot& shared = payload_.slot(slot);
    const uint32_t generation = shared.generation.load(std::memory_order_acquire);
    if (generation == shared.closed_generation.load(std::memory_order_acquire) ||
        generation == begun_generation_[slot]) {
      return false;
    }
    begun_generation_[slot] = generation;
    task = std::make_unique<StreamTask>(payload_, results_, slot, generation, body_);
  }
  if (!task->can_run()) return false;
  if (!task->run()) task.reset();
  return true;
}

// Whoever changes something does so before changing the sequence: either we see the change in our
// last round, or the sequence has moved on, or we are woken.
void Scheduler::sleep() {
  const uint32_t sequence = payload_.header().wake_sequence.load();
  if (round()) return;
  results_.notify();
  futex_wait(payload_.header().wake_sequence, sequence, kIdleWait);
}

}  // namespace soundgate::decode
