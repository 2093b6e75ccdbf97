// The thread that moves packets: receives from both ports, lets the engine handle each frame, puts
// out what it says, and sleeps when nothing comes.
// Thread: start(), stop() by the owner; everything else runs on the loop's own thread.
#pragma once

#include <atomic>
#include <memory>
#include <thread>

#include "dataplane/engine.h"
#include "dataplane/port/ethdev_port.h"

namespace soundgate {

class LcoreLoop final : public PacketIo {
 public:
  // pool: for frames of our own.  cpu: to pin to, or -1.
  LcoreLoop(EthdevPort& client, EthdevPort& origin, rte_mempool* pool, int cpu)
      : ports_{&client, &origin}, pool_(pool), cpu_(cpu) {}
  ~LcoreLoop() override { stop(); }

  void start(Engine& engine);
  void stop();  // returns when the thread has ended, and every upload with it

  void forward(Side to, size_t frame_bytes) override;
  void send(Side to, std::span<const std::byte> frame) override;

 private:
  void run();
  bool receive(Side from);
  void handle(Side from, rte_mbuf* packet);
  void rest(Tick now);
  EthdevPort& port(Side side) { return *ports_[static_cast<size_t>(side)]; }

  EthdevPort* ports_[2];
  rte_mempool* pool_;
  int cpu_;
  Engine* engine_ = nullptr;
  rte_mbuf* current_ = nullptr;  // the packet being handled; null once it was forwarded
  Tick last_work_{};             // when something last came
  std::atomic<bool> stopping_{false};
  std::thread thread_;
};

}  // namespace soundgate
