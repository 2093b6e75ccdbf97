// What one lcore counts. Written by the lcore only, read by anyone at any time.
#pragma once

#include <array>
#include <atomic>
#include <cstdint>

#include "dataplane/upload.h"

namespace soundgate {

class Counter {
 public:
  void add(uint64_t count = 1) { set(get() + count); }
  void subtract(uint64_t count) { set(get() - count); }
  void set(uint64_t value) { value_.store(value, std::memory_order_relaxed); }
  uint64_t get() const { return value_.load(std::memory_order_relaxed); }

 private:
  std::atomic<uint64_t> value_{0};  // one writer: no read-modify-write is needed
};

inline constexpr size_t kReasonCount = 1
#define REASON(name, text, action) +1
#include "dataplane/reasons.def"
#undef REASON
    ;

struct CoreCounters {
  Counter polls;  // counts up while the lcore goes on
  Counter flows_opened;
  Counter flows_open;       // now
  Counter flows_midstream;  // now
  Counter flows_evicted;    // open ones that made room for others
  Counter oldest_midstream_ms;
  Counter uploads_begun;
  Counter uploads_released;
  Counter uploads_blocked;
  Counter uploads_aborted;
  Counter parts_refused;   // requests about uploads that had been blocked
  Counter resources_open;  // now
  Counter resources_idle;  // of these: an upload of the sink's, and no part on its way
  Counter segments_held;   // now
  Counter bytes_held;      // now
  Counter bad_checksums;
  Counter frames_cut;  // of IP packets that are longer
  Counter conflicting_bytes;
  Counter segments_refused;  // for want of room, or because they made no sense
  Counter segments_put_off;  // dropped to slow their senders down
  std::array<Counter, kReasonCount> reasons;

  void count(DataplaneReason reason) { reasons[static_cast<size_t>(reason)].add(); }
};

}  // namespace soundgate
