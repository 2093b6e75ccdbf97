// The thread that listens to the workers: takes their results, notices their deaths, replaces them
// from a spare that is loaded and waiting, and calls the listener.
// Thread: its own; start() and the destructor are its owner's.
#pragma once

#include <atomic>
#include <chrono>
#include <future>
#include <memory>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "fingerprint/decode/host/worker_host.h"

namespace soundgate::decode {

class Collector {
 public:
  Collector(std::string worker_path, std::chrono::milliseconds stall_max,
            std::vector<std::unique_ptr<WorkerHost>> workers, DecodeListener& listener);
  ~Collector();  // ends the workers and the thread

  // Returns when every worker has shown a sign of life, or says why one did not.
  tl::expected<void, std::string> start();

  const std::vector<std::unique_ptr<WorkerHost>>& workers() const { return workers_; }
  // Counts up at least every kTick while the thread goes on. Thread: any.
  uint64_t rounds() const { return rounds_.load(std::memory_order_relaxed); }

 private:
  using Clock = std::chrono::steady_clock;

  void run(std::promise<tl::expected<void, std::string>> started);
  tl::expected<void, std::string> start_workers();
  void work();
  bool wait();  // for anything to happen; false: stop
  void serve(WorkerHost& worker, Clock::time_point now);
  void replace(WorkerHost& worker, Clock::time_point now);
  void keep_spare(Clock::time_point now);
  void delay_spawns(Clock::time_point now);
  void give_up_for_now(const std::string& why, Clock::time_point now);
  Clock::duration time_to_next_step(Clock::time_point now) const;

  std::string worker_path_;
  std::chrono::milliseconds stall_max_;
  std::vector<std::unique_ptr<WorkerHost>> workers_;
  DecodeListener& listener_;
  std::optional<WorkerProcess> spare_;
  std::chrono::milliseconds respawn_delay_ = kRespawnDelayMin;
  Clock::time_point next_spawn_{};   // not before, after a death or a failure
  Clock::time_point next_attach_{};  // likewise, of a process that is there
  Clock::time_point first_spare_{};  // a short life needs none
  Clock::time_point next_tick_{};
  std::atomic<uint64_t> rounds_{0};
  UniqueFd stop_event_;
  std::thread thread_;
};

}  // namespace soundgate::decode
