// What the pool counts. Thread: any.
#pragma once

#include <atomic>
#include <cstdint>

namespace soundgate::decode {

struct PoolCounters {
  std::atomic<uint64_t> begun{0};
  std::atomic<uint64_t> ended{0};
  std::atomic<uint64_t> crashes{0};
  std::atomic<uint64_t> timeouts{0};
  std::atomic<uint64_t> resumed{0};
  std::atomic<uint64_t> decoded_milliseconds{0};
  std::atomic<uint64_t> probe_items{0};
  std::atomic<uint64_t> recognised{0};
  std::atomic<uint64_t> put_off{0};
  std::atomic<uint64_t> caught_up{0};
  std::atomic<uint64_t> recognised_by_packets{0};
  std::atomic<uint64_t> packets_put_off{0};
  std::atomic<uint64_t> packets_caught_up{0};
  std::atomic<uint64_t> confirmed{0};
  std::atomic<uint64_t> contradicted{0};
  std::atomic<uint64_t> divided{0};
};

}  // namespace soundgate::decode
