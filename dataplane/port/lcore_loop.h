// The lcore of a bump in the wire: receives from both ports, lets the engine handle each frame, and
// puts out what it says.
// Thread: see LcoreThread; what PacketIo asks for runs on the lcore.
#pragma once

#include "dataplane/engine.h"
#include "dataplane/port/lcore_thread.h"
#include "dataplane/port/port_queue.h"
#include "dataplane/port/steering.h"

struct rte_mempool;

namespace soundgate {

class LcoreLoop final : public LcoreThread, public PacketIo {
 public:
  // steering: null where there is one lcore only. pool: for frames of our own. cpu: to pin to, or
  // -1.
  LcoreLoop(PortQueue& client, PortQueue& origin, Steering* steering, rte_mempool* pool, int cpu)
      : LcoreThread(cpu), ports_{&client, &origin}, steering_(steering), pool_(pool) {}

  void attach(Engine& engine) { engine_ = &engine; }  // before start()

  void forward(Side to, size_t frame_bytes) override;
  void send(Side to, std::span<const std::byte> frame) override;

 private:
  bool turn(const Now& now) override;
  void finish(const Now& now) override;
  bool receive(Side from);
  void handle_all(Side from, std::span<rte_mbuf*> burst);
  size_t join_pieces(Side from, std::span<rte_mbuf*> burst);
  void flush();
  PortQueue& port(Side side) { return *ports_[static_cast<size_t>(side)]; }

  PortQueue* const ports_[2];
  Steering* const steering_;
  rte_mempool* const pool_;
  Engine* engine_ = nullptr;
  std::array<Frame, kBurstFrames> frames_;  // of the burst at hand
  rte_mbuf* current_ = nullptr;  // the packet being handled; null once it was forwarded
};

}  // namespace soundgate
