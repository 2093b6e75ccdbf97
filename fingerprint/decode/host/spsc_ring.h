// A bounded queue from one thread to one other.
#pragma once

#include <array>
#include <atomic>
#include <cstddef>
#include <optional>

namespace soundgate::decode {

template <typename T, size_t kCapacity>
class SpscRing {
  static_assert((kCapacity & (kCapacity - 1)) == 0);

 public:
  bool push(T value) {  // false: full
    const size_t tail = tail_.load(std::memory_order_relaxed);
    if (tail - head_.load(std::memory_order_acquire) == kCapacity) return false;
    values_[tail & (kCapacity - 1)] = value;
    tail_.store(tail + 1, std::memory_order_release);
    return true;
  }

  std::optional<T> pop() {
    const size_t head = head_.load(std::memory_order_relaxed);
    if (head == tail_.load(std::memory_order_acquire)) return std::nullopt;
    const T value = values_[head & (kCapacity - 1)];
    head_.store(head + 1, std::memory_order_release);
    return value;
  }

 private:
  alignas(64) std::atomic<size_t> head_{0};
  alignas(64) std::atomic<size_t> tail_{0};
  std::array<T, kCapacity> values_{};
};

}  // namespace soundgate::decode
