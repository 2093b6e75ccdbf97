// What is done about too much work, one step after the other, and undone in the opposite order.
// Load: the share of the uploads' payload memory that waits for a decoder, 0..1.
// Up by one step at a look at most, so that each step may help before the next is taken; down when
// the load has been well below its step for a while, so that nothing flaps.
// Thread: one.  Time is passed in.  Source: DESIGN, "Overload ladder".
#pragma once

#include <array>
#include <chrono>
#include <cstdint>
#include <string_view>

namespace soundgate {

enum class OverloadStep : uint8_t {
  kNone,
  kShortProbes,   // no evasion probes of new uploads
  kSparse,        // a share of new uploads is decoded
  kBackPressure,  // senders of uploads are slowed down
  kFailPolicy,    // new uploads are not inspected: reason overload
};
inline constexpr size_t kOverloadStepCount = 5;
std::string_view name(OverloadStep step);  // "none", "short_probes", …

class OverloadLadder {
 public:
  using Clock = std::chrono::steady_clock;
  static constexpr std::array<double, kOverloadStepCount> kEnterLoad{0, 0.25, 0.5, 0.75, 0.9};
  static constexpr double kLeaveBelow = 0.15;  // so far under the step's own load
  static constexpr std::chrono::seconds kCalm{2};

  // Returns the step that is in force from now on.
  OverloadStep look(double load, Clock::time_point now);
  OverloadStep step() const { return step_; }

 private:
  OverloadStep step_ = OverloadStep::kNone;
  Clock::time_point last_high_{};  // when the load last was what this step is for
};

}  // namespace soundgate
