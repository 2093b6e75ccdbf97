// The worker's end of the results ring, and its voice: the socket that the host listens to.
// Thread: the worker's only one.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>

#include "fingerprint/decode/shared/payload.h"
#include "fingerprint/decode/shared/results.h"

namespace soundgate::decode {

class ResultsWriter {
 public:
  ResultsWriter(std::byte* memory, const PayloadHeader& payload, int socket)
      : memory_(memory), payload_(payload), socket_(socket) {}

  // Waits while the ring is full.
  void push(const ResultEntry& entry);
  bool has_room(uint32_t waiting_max) const { return unread() < waiting_max; }
  // Tells the host that there is something new, if there is.
  void notify();
  void notify_if_late(std::chrono::steady_clock::time_point now);

  void beat();  // a sign of life
  void set_running(uint64_t mark);

 private:
  ResultsHeader& header() { return results_header(memory_); }
  uint64_t unread() const;

  std::byte* memory_;
  const PayloadHeader& payload_;
  int socket_;
  uint64_t written_ = 0;
  uint64_t notified_ = 0;
  uint64_t beats_ = 0;
  std::chrono::steady_clock::time_point last_notify_{};
};

}  // namespace soundgate::decode
