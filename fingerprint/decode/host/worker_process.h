// A process of the worker program, from its start to its reaping.
// It gets an empty environment and no descriptor but one socket; it dies with the thread that
// started it (PR_SET_PDEATHSIG), so that thread must live as long as the pool.
// Thread: the collector.
#pragma once

#include <sys/types.h>

#include <string>
#include <tl/expected.hpp>

#include "fingerprint/decode/shared/cpu_budget.h"
#include "fingerprint/decode/shared/unique_fd.h"

namespace soundgate::decode {

class WorkerProcess {
 public:
  static tl::expected<WorkerProcess, std::string> start(const std::string& path);
  WorkerProcess(WorkerProcess&&) noexcept = default;
  WorkerProcess& operator=(WorkerProcess&& other) noexcept;
  ~WorkerProcess();  // kills

  int pid() const { return pid_; }
  int pidfd() const { return pidfd_.get(); }  // readable once it is dead

  // Puts it to work. false: it is dead already.
  bool hand_over(int payload, int results);
  int socket() const { return socket_.get(); }  // readable when it calls
  bool take_calls();                            // false: it will never call again
  CpuTime cpu_used() const;                     // by all its threads, since its start
  void kill();
  std::string reap();  // waits for its death; says how it died

 private:
  WorkerProcess() = default;

  pid_t pid_ = 0;
  UniqueFd pidfd_;  // absent before its start, and once it is reaped
  UniqueFd socket_;
};

}  // namespace soundgate::decode
