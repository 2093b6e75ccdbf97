#include "tests/support/impairment.h"

#include <utility>

namespace soundgate {

Impairment::Impairment(const ImpairmentRates& rates, uint64_t seed, Send send)
    : rates_(rates), random_(seed), send_(std::move(send)) {}

void Impairment::receive(Frame frame, Clock::time_point now) {
  ++counts_.received;
  // All three are drawn for every frame, so that changing one rate moves no other decision.
  const bool lost = uniform_(random_) < rates_.loss;
  const bool duplicated = uniform_(random_) < rates_.duplicate;
  const bool reordered = uniform_(random_) < rates_.reorder;

  if (lost) {
    ++counts_.lost;
    return;
  }
  if (reordered && aside_.size() < kFramesAsideMax) {
    ++counts_.reordered;
    aside_.push_back(
        {{frame.begin(), frame.end()}, rates_.reorder_distance, now + rates_.reorder_wait_max});
    return;
  }
  pass(frame);
  if (duplicated) {
    ++counts_.duplicated;
    send_(frame);
  }
}

void Impairment::pass(Frame frame) {
  send_(frame);
  for (Aside& aside : aside_) {
    if (aside.passes_left > 0) --aside.passes_left;
  }
  while (!aside_.empty() && aside_.front().passes_left == 0) send_oldest_aside();
}

void Impairment::expire(Clock::time_point now) {
  while (!aside_.empty() && aside_.front().expiry <= now) send_oldest_aside();
}

std::optional<Impairment::Clock::time_point> Impairment::next_expiry() const {
  if (aside_.empty()) return std::nullopt;
  return aside_.front().expiry;
}

void Impairment::send_oldest_aside() {
  send_(aside_.front().frame);
  aside_.pop_front();
}

}  // namespace soundgate
