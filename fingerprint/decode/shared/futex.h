// Sleeping on a word of shared memory, and waking who sleeps there. A waker never blocks and leaves
// nothing behind that could fill up; a sleeper needs no more than the right to read the word.
#pragma once

#include <linux/futex.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <atomic>
#include <chrono>
#include <cstdint>
#include <ctime>

namespace soundgate::decode {

// Returns when woken, when the word is not `expected` (any more), or after the time given.
inline void futex_wait(const std::atomic<uint32_t>& word, uint32_t expected,
                       std::chrono::milliseconds wait_max) {
  const timespec timeout{wait_max.count() / 1000, (wait_max.count() % 1000) * 1'000'000};
  ::syscall(SYS_futex, &word, FUTEX_WAIT, expected, &timeout, nullptr, 0);
}

inline void futex_wake(const std::atomic<uint32_t>& word) {
  ::syscall(SYS_futex, &word, FUTEX_WAKE, 1, nullptr, nullptr, 0);
}

}  // namespace soundgate::decode
