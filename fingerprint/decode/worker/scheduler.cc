#include "fingerprint/decode/worker/scheduler.h"

#include <algorithm>
#include <optional>
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
  int got_on = 0;
  for (uint32_t slot = 0; slot < payload_.geometry().slot_count; ++slot) got_on += visit(slot);
  slice_ = kTimeSlice * kStreamsWithWholeSlices / std::max(got_on, kStreamsWithWholeSlices);
  return got_on > 0;
}

StreamTask* Scheduler::task_in(uint32_t slot) {
  std::unique_ptr<StreamTask>& task = tasks_[slot];
  if (!task) {
    const Slot& shared = payload_.slot(slot);
    const uint32_t generation = shared.generation.load(std::memory_order_acquire);
    if (generation == shared.closed_generation.load(std::memory_order_acquire) ||
        generation == begun_generation_[slot]) {
      return nullptr;
    }
    if (is_put_off(shared, generation)) return nullptr;
    begun_generation_[slot] = generation;
    if (is_dropped(shared, generation)) {  // before it was begun
      results_.push(StreamTask::dropped(slot, generation));
      return nullptr;
    }
    task = std::make_unique<StreamTask>(payload_, results_, slot, generation, body_);
  }
  return task->can_run() ? task.get() : nullptr;
}

void Scheduler::run(uint32_t slot) {
  if (!tasks_[slot]->run(slice_)) tasks_[slot].reset();
}

bool Scheduler::visit(uint32_t slot) {
  if (!task_in(slot)) return false;
  run_endings();
  if (task_in(slot)) run(slot);
  return true;
}

// Somebody waits for what these find: those with the least left go first, and all others behind
// them; but for a while only, so that many short streams do not keep long ones from getting on.
void Scheduler::run_endings() {
  const auto& finishes = payload_.header().finish_sequence;
  for (int slices = 0; slices < kEndingSlicesMax; ++slices) {
    const uint32_t sequence = finishes.load(std::memory_order_acquire);
    if (sequence == finish_sequence_) return;
    std::optional<uint32_t> first;
    bool none_is_finished = true;
    for (uint32_t slot = 0; slot < payload_.geometry().slot_count; ++slot) {
      const StreamTask* task = task_in(slot);
      if (!task || !task->is_finished()) continue;
      none_is_finished = false;
      if (!task->is_ending()) continue;
      if (!first || task->rest_bytes() < tasks_[*first]->rest_bytes()) first = slot;
    }
    if (none_is_finished) finish_sequence_ = sequence;
    if (!first) return;
    run(*first);
  }
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
