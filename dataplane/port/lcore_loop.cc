#include "dataplane/port/lcore_loop.h"

#include <pthread.h>
#include <rte_cycles.h>
#include <rte_lcore.h>
#include <rte_mbuf.h>
#include <rte_pause.h>
#include <sched.h>
#include <signal.h>
#include <sys/prctl.h>

#include <algorithm>
#include <array>
#include <cstring>
#include <ctime>

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

void LcoreLoop::start(Engine& engine) {
  engine_ = &engine;
  stopping_ = false;
  thread_ = std::thread([this] { run(); });
}

void LcoreLoop::stop() {
  stopping_ = true;
  if (thread_.joinable()) thread_.join();
}

void LcoreLoop::run() {
  pthread_setname_np(pthread_self(), "sg-lcore");
  leave_signals_to_others();
  pin_to(cpu_);
  prctl(PR_SET_TIMERSLACK, 1000);  // nanoseconds
  rte_thread_register();
  while (!stopping_.load(std::memory_order_relaxed)) {
    const Now now = read_clocks();
    engine_->set_now(now);
    const bool from_client = receive(Side::kClient);
    const bool from_origin = receive(Side::kOrigin);
    const bool decided = engine_->poll();
    port(Side::kClient).flush();
    port(Side::kOrigin).flush();
    if (from_client || from_origin || decided) {
      last_work_ = now.tick;
    } else {
      rest(now.tick);
    }
  }
  engine_->set_now(read_clocks());
  engine_->shut_down();
  port(Side::kClient).flush();
  port(Side::kOrigin).flush();
  rte_thread_unregister();
}

bool LcoreLoop::receive(Side from) {
  std::array<rte_mbuf*, kBurstFrames> burst;
  const uint16_t count = port(from).receive(burst);
  for (uint16_t i = 0; i < count; ++i) {
    if (i + 1 < count) rte_prefetch0(rte_pktmbuf_mtod(burst[i + 1u], void*));
    handle(from, burst[i]);
  }
  return count > 0;
}

void LcoreLoop::handle(Side from, rte_mbuf* packet) {
  if (packet->nb_segs > 1 && rte_pktmbuf_linearize(packet) != 0) {
    port(from).count_dropped();  // longer than kFrameBytesMax
    rte_pktmbuf_free(packet);
    return;
  }
  current_ = packet;
  engine_->on_frame(from, {rte_pktmbuf_mtod(packet, std::byte*), packet->data_len});
  if (current_ != nullptr) rte_pktmbuf_free(current_);
  current_ = nullptr;
}

void LcoreLoop::forward(Side to, size_t frame_bytes) {
  rte_mbuf* packet = current_;
  current_ = nullptr;
  const size_t surplus = packet->data_len - frame_bytes;
  if (surplus > 0) rte_pktmbuf_trim(packet, static_cast<uint16_t>(surplus));
  port(to).queue(packet);
}

void LcoreLoop::send(Side to, std::span<const std::byte> frame) {
  rte_mbuf* packet = rte_pktmbuf_alloc(pool_);
  void* room = packet ? rte_pktmbuf_append(packet, static_cast<uint16_t>(frame.size())) : nullptr;
  if (room == nullptr) {
    rte_pktmbuf_free(packet);
    port(to).count_dropped();
    return;
  }
  std::memcpy(room, frame.data(), frame.size());
  port(to).queue(packet);
}

// Sleeps for a share of the time since the last packet: what comes next waits at most a little
// longer than it let us wait. A signal (net_tap) ends a sleep early.
void LcoreLoop::rest(Tick now) {
  const Tick quiet = now - last_work_;
  if (quiet < kSpinMax) {
    rte_pause();
    return;
  }
  const Tick sleep = std::min<Tick>(quiet / 8, kSleepMax);
  const timespec time{0, sleep.count()};
  nanosleep(&time, nullptr);
}

}  // namespace soundgate
