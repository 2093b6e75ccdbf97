#include "dataplane/port/lcore_thread.h"

#include <pthread.h>
#include <rte_cycles.h>
#include <rte_lcore.h>
#include <rte_pause.h>
#include <sched.h>
#include <signal.h>
#include <sys/prctl.h>

#include <algorithm>
#include <ctime>

#include "dataplane/limits.h"

namespace soundgate {
namespace {

Now read_clocks() {
  return {std::chrono::steady_clock::now().time_since_epoch(), std::chrono::system_clock::now()};
}

// Signals are the main thread's business, but for the real-time ones: net_tap wakes its reader
// with one of them.
void leave_signals_to_others() {
  sigset_t blocked;
  sigfillset(&blocked);
  for (int signal = SIGRTMIN; signal <= SIGRTMAX; ++signal) sigdelset(&blocked, signal);
  pthread_sigmask(SIG_SETMASK, &blocked, nullptr);
}

void pin_to(int cpu) {
  if (cpu < 0) return;
  cpu_set_t cpus;
  CPU_ZERO(&cpus);
  CPU_SET(static_cast<size_t>(cpu), &cpus);
  pthread_setaffinity_np(pthread_self(), sizeof cpus, &cpus);
}

}  // namespace

void LcoreThread::start() {
  stopping_ = ended_ = false;
  thread_ = std::thread([this] { run(); });
}

void LcoreThread::join() {
  if (thread_.joinable()) thread_.join();
}

void LcoreThread::run() {
  pthread_setname_np(pthread_self(), "sg-lcore");
  leave_signals_to_others();
  pin_to(cpu_);
  prctl(PR_SET_TIMERSLACK, 1000);  // nanoseconds
  rte_thread_register();
  while (!stopping_.load(std::memory_order_relaxed)) {
    const Now now = read_clocks();
    if (turn(now)) {
      last_work_ = now.tick;
    } else {
      rest(now.tick);
    }
  }
  finish(read_clocks());
  rte_thread_unregister();
  ended_ = true;
}

// Sleeps for a share of the time since the last packet: what comes next waits at most a little
// longer than it let us wait. A signal (net_tap) ends a sleep early. To wake up takes a CPU 50 µs
// and more: whoever has one of his own spins on while there is traffic.
void LcoreThread::rest(Tick now) const {
  const Tick quiet = now - last_work_;
  if (quiet < (cpu_ < 0 ? Tick(kSpinMax) : Tick(kSpinPinnedMax))) {
    rte_pause();
    return;
  }
  const Tick sleep = std::min<Tick>(quiet / 8, kSleepMax);
  const timespec time{0, sleep.count()};
  nanosleep(&time, nullptr);
}

}  // namespace soundgate
