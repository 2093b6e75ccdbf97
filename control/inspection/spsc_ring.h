// A bounded ring between exactly one producing and one consuming thread; no locks, no waiting.
// Thread: push from one, pop from one other.  Memory: allocated in the constructor.
#pragma once

#include <atomic>
#include <bit>
#include <cstddef>
#include <memory>
#include <type_traits>

namespace soundgate {

template <class Value>
class SpscRing {
  static_assert(std::is_trivially_copyable_v<Value>);

 public:
  explicit SpscRing(size_t entries)
      : mask_(std::bit_ceil(entries) - 1), values_(std::make_unique<Value[]>(mask_ + 1)) {}

  bool push(const Value& value) {  // false: full
    const size_t tail = tail_.load(std::memory_order_relaxed);
    if (tail - head_.load(std::memory_order_acquire) > mask_) return false;
    values_[tail & mask_] = value;
    tail_.store(tail + 1, std::memory_order_release);
    return true;
  }

  bool pop(Value& value) {  // false: empty
    const size_t head = head_.load(std::memory_order_relaxed);
    if (head == tail_.load(std::memory_order_acquire)) return false;
    value = values_[head & mask_];
    head_.store(head + 1, std::memory_order_release);
    return true;
  }

  size_t size() const {  // for the one that pops: at least so many
    return tail_.load(std::memory_order_acquire) - head_.load(std::memory_order_relaxed);
  }

 private:
  static constexpr size_t kCacheLineBytes = 64;

  const size_t mask_;
  const std::unique_ptr<Value[]> values_;
  alignas(kCacheLineBytes) std::atomic<size_t> head_{0};
  alignas(kCacheLineBytes) std::atomic<size_t> tail_{0};
};

}  // namespace soundgate
