// How much CPU may go into streams: an allowance for each, which what they deliver fills up again,
// but never beyond it. So nobody takes more than the allowance without delivering, however much was
// delivered before.
// A worker keeps one for each stream; the host, which cannot see into a worker, one for all that a
// worker has. What is earned is what the worker reports, entry by entry, so that both reckon alike:
// no worker that keeps to the first breaks the second.
// Thread: its owner's; a value.
#pragma once

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <ctime>

#include "fingerprint/decode/limits.h"

namespace soundgate::decode {

using CpuTime = std::chrono::nanoseconds;

inline CpuTime cpu_time(clockid_t clock) {
  timespec time{};
  ::clock_gettime(clock, &time);
  return std::chrono::seconds(time.tv_sec) + CpuTime(time.tv_nsec);
}

class CpuBudget {
 public:
  explicit CpuBudget(CpuTime allowance) : left_(allowance), max_(allowance) {}

  void use(CpuTime used) { left_ -= used; }
  void earn(CpuTime worth) { left_ = std::min(left_ + worth, max_); }
  // items: plain ones, which are seconds of audio.
  void earn(uint64_t bytes, uint64_t items) {
    earn(static_cast<int64_t>(bytes) * kCpuPerByte + static_cast<int64_t>(items) * kCpuPerItem);
  }
  bool is_left() const { return left_ >= CpuTime::zero(); }

  void add_stream(CpuTime allowance) {
    left_ += allowance;
    max_ += allowance;
  }
  void remove_stream(CpuTime allowance) {
    max_ -= allowance;
    left_ = std::min(left_, max_);
  }

 private:
  CpuTime left_;
  CpuTime max_;
};

}  // namespace soundgate::decode
