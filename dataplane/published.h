// An immutable value that one thread replaces while lcores read it: neither waits for the other.
// A reader announces which copy it looks at; a copy goes when it is old and nobody looks at it.
// Thread: publish() one at a time (a mutex sees to it); a Reading belongs to the lcore whose index
//   it names, one at a time.  Memory: publish() allocates and frees, reading does neither.
// Source: hazard pointers (Michael, 2004).
#pragma once

#include <algorithm>
#include <array>
#include <atomic>
#include <memory>
#include <mutex>
#include <vector>

#include "dataplane/limits.h"

namespace soundgate {

template <class Value>
class Published {
 public:
  class Reading {
   public:
    Reading(Published& published, unsigned lcore_index) : hazard_(published.hazards_[lcore_index]) {
      do {
        value_ = published.current_.load(std::memory_order_acquire);
        hazard_.store(value_, std::memory_order_seq_cst);
      } while (value_ != published.current_.load(std::memory_order_seq_cst));
    }
    ~Reading() { hazard_.store(nullptr, std::memory_order_release); }
    Reading(const Reading&) = delete;
    Reading& operator=(const Reading&) = delete;
    const Value* get() const { return value_; }  // null: nothing was published

   private:
    std::atomic<const Value*>& hazard_;
    const Value* value_;
  };

  void publish(std::unique_ptr<const Value> value) {
    const std::lock_guard lock(mutex_);
    current_.store(value.get(), std::memory_order_seq_cst);
    kept_.push_back(std::move(value));
    std::erase_if(kept_, [&](const auto& old) {
      return old.get() != current_.load(std::memory_order_relaxed) && !is_read(old.get());
    });
  }
  size_t kept_count() const {  // for tests
    const std::lock_guard lock(mutex_);
    return kept_.size();
  }

 private:
  bool is_read(const Value* value) const {
    return std::ranges::any_of(hazards_, [&](const auto& hazard) {
      return hazard.load(std::memory_order_seq_cst) == value;
    });
  }

  std::atomic<const Value*> current_{nullptr};
  std::array<std::atomic<const Value*>, kLcoresMax> hazards_{};
  mutable std::mutex mutex_;
  std::vector<std::unique_ptr<const Value>> kept_;
};

}  // namespace soundgate
