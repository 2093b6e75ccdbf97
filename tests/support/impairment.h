// What a bad link does to the frames of one direction: loss, duplication, reordering. Seeded: what
// happens to the n-th frame depends on the seed and n alone, never on time.
// Input: frames, in order, with the time they came.  Output: frames to send on, in their order.
// Reordering: a frame is set aside until `reorder_distance` later ones have passed it, or
//   `reorder_wait_max` has gone by.  Set aside at most: kFramesAsideMax; further ones pass.
// Thread: one.  Time is passed in.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <functional>
#include <optional>
#include <random>
#include <span>
#include <vector>

namespace soundgate {

struct ImpairmentRates {
  double loss = 0;       // shares of frames, 0..1
  double duplicate = 0;  // sent twice
  double reorder = 0;    // overtaken by those behind them
  unsigned reorder_distance = 3;
  std::chrono::microseconds reorder_wait_max{5000};
};

class Impairment {
 public:
  using Clock = std::chrono::steady_clock;
  using Frame = std::span<const std::byte>;
  using Send = std::function<void(Frame)>;

  struct Counts {
    uint64_t received = 0, lost = 0, duplicated = 0, reordered = 0;
  };

  static constexpr size_t kFramesAsideMax = 64;

  Impairment(const ImpairmentRates& rates, uint64_t seed, Send send);

  void receive(Frame frame, Clock::time_point now);
  void expire(Clock::time_point now);  // sends those that have waited long enough
  std::optional<Clock::time_point> next_expiry() const;

  const Counts& counts() const { return counts_; }

 private:
  struct Aside {
    std::vector<std::byte> frame;
    unsigned passes_left;
    Clock::time_point expiry;
  };

  void pass(Frame frame);
  void send_oldest_aside();

  ImpairmentRates rates_;
  std::mt19937_64 random_;
  std::uniform_real_distribution<double> uniform_{0.0, 1.0};
  Send send_;
  std::deque<Aside> aside_;  // oldest first; expiries ascend, since the wait is the same for all
  Counts counts_;
};

}  // namespace soundgate
