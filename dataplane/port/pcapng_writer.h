// A pcapng file in pieces, by DPDK's rte_pcapng: an interface for each port, named as the kernel
// knows it, frames with their direction, nanoseconds.
// rte_pcapng writes to a descriptor: ours is memory. It turns cycles into time with a frequency
// that is rounded to 10 MHz, counted from when it was first asked, in state that threads must not
// share: hence the lcores only copy, and each block gets the time that they saw on the wall clock.
// Errors: text.  Thread: one at a time, of the whole process.
// Source: draft-ietf-opsawg-pcapng (blocks 3, 5 and 6).
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <tl/expected.hpp>
#include <vector>

#include "dataplane/port/frame_capture.h"

struct rte_pcapng;

namespace soundgate {

class PcapngWriter {
 public:
  // pool: for kBurstFrames at a time. The head of the file is written.
  static tl::expected<std::unique_ptr<PcapngWriter>, std::string> open(const std::string& comment,
                                                                       rte_mempool* pool);
  ~PcapngWriter();
  PcapngWriter(const PcapngWriter&) = delete;
  PcapngWriter& operator=(const PcapngWriter&) = delete;

  tl::expected<void, std::string> add(std::span<rte_mbuf* const> copies);  // which are freed
  // frames: that were captured at the port or lost.
  tl::expected<void, std::string> add_statistics(uint16_t port, uint64_t frames, uint64_t lost);
  // Appends what was written since the last call.
  tl::expected<void, std::string> move_to(std::vector<std::byte>& blocks);

 private:
  PcapngWriter(int descriptor, rte_mempool* pool) : descriptor_(descriptor), pool_(pool) {}
  rte_mbuf* block_of(rte_mbuf& copy);

  const int descriptor_;
  rte_mempool* const pool_;
  rte_pcapng* file_ = nullptr;
};

}  // namespace soundgate
