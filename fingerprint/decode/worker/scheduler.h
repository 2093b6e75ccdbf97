// The loop of a worker: finds new streams, gives each that can go on a time slice in turn, sleeps.
// Thread: the worker's only one.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>

#include "fingerprint/decode/limits.h"
#include "fingerprint/decode/shared/payload.h"
#include "fingerprint/decode/worker/results_writer.h"
#include "fingerprint/decode/worker/stream_task.h"

namespace soundgate::decode {

class Scheduler {
 public:
  Scheduler(const std::byte* payload, std::byte* results, int socket, StreamBody body);

  // Until host_is_alive says no, which it is asked when there is nothing to do.
  void run(const std::function<bool()>& host_is_alive);
  // What run() repeats: a slice for each stream that can go on. Returns whether there was one.
  bool round();

 private:
  bool visit(uint32_t slot);
  void run_endings();
  StreamTask* task_in(uint32_t slot);  // null: there is none that can run
  void run(uint32_t slot);
  void sleep();

  PayloadView payload_;
  ResultsWriter results_;
  StreamBody body_;
  std::array<std::unique_ptr<StreamTask>, kSlotsPerWorker> tasks_;
  std::array<uint32_t, kSlotsPerWorker> begun_generation_{};
  std::chrono::microseconds slice_ = kTimeSlice;
  uint32_t finish_sequence_ = 0;  // when no stream was finished
};

}  // namespace soundgate::decode
