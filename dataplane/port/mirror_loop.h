// The lcore of a tap or a replay: receives copies of packets from one port and shows them to the
// engine. Nothing that it says is sent.
// A replay's time is that at which its packets were captured: what waits for how long, and when an
// upload came, is what it was then, however fast the file is read. It ends with the file.
// Thread: see LcoreThread; what PacketIo asks for runs on the lcore.
#pragma once

#include <vector>

#include "dataplane/engine.h"
#include "dataplane/port/lcore_thread.h"
#include "dataplane/port/port_queue.h"
#include "dataplane/port/steering.h"

namespace soundgate {

class MirrorLoop final : public LcoreThread, public PacketIo {
 public:
  enum class Clock : uint8_t { kOurs, kOfPackets };

  // steering: null where there is one lcore only.
  MirrorLoop(PortQueue& port, Steering* steering, Clock clock, int cpu);

  void attach(Engine& engine) { engine_ = &engine; }  // before start()

  void forward(Side, size_t) override {}
  void send(Side, std::span<const std::byte>) override {}

 private:
  bool turn(const Now& now) override;
  void finish(const Now& now) override;
  void handle_all(std::span<rte_mbuf*> burst);
  void handle(const rte_mbuf& packet);
  void follow_time_of(const rte_mbuf& packet);

  PortQueue& port_;
  Steering* const steering_;
  const Clock clock_;
  int timestamp_offset_ = -1;  // in a packet
  Now captured_{};             // of the latest packet
  std::vector<std::byte> joined_;
  Engine* engine_ = nullptr;
};

}  // namespace soundgate
