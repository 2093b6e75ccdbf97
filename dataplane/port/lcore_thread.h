// The thread of an lcore: takes turns as long as there is something to do, and sleeps when there is
// not. What a turn is, derived classes say.
// Thread: start(), request_stop() and join() by the owner; the rest runs on the lcore.
#pragma once

#include <atomic>
#include <thread>

#include "dataplane/clock.h"

namespace soundgate {

class LcoreThread {
 public:
  explicit LcoreThread(int cpu) : cpu_(cpu) {}  // to pin to, or -1
  LcoreThread(const LcoreThread&) = delete;
  LcoreThread& operator=(const LcoreThread&) = delete;
  virtual ~LcoreThread() = default;  // join() must have returned

  void start();
  void request_stop() { stopping_ = true; }
  void join();
  bool ended() const { return ended_; }  // any thread: by itself, or because it was stopped

 protected:
  // Returns whether there was something to do.
  virtual bool turn(const Now& now) = 0;
  // After the last turn.
  virtual void finish(const Now& now) = 0;
  void stop_by_itself() { stopping_ = true; }

 private:
  void run();
  void rest(Tick now) const;

  const int cpu_;
  Tick last_work_{};  // when something last came
  std::atomic<bool> stopping_{false};
  std::atomic<bool> ended_{false};
  std::thread thread_;
};

}  // namespace soundgate
