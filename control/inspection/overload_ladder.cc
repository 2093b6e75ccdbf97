#include "control/inspection/overload_ladder.h"

namespace soundgate {
namespace {

double enter_load(size_t step) { return OverloadLadder::kEnterLoad.at(step); }

}  // namespace

std::string_view name(OverloadStep step) {
  constexpr std::array<std::string_view, kOverloadStepCount> kNames{
      "none", "short_probes", "sparse", "back_pressure", "fail_policy"};
  return kNames.at(static_cast<size_t>(step));
}

OverloadStep OverloadLadder::look(double load, Clock::time_point now) {
  const auto step = static_cast<size_t>(step_);
  const bool is_top = step + 1 == kOverloadStepCount;
  if (!is_top && load >= enter_load(step + 1)) {
    step_ = static_cast<OverloadStep>(step + 1);
    last_high_ = now;
  } else if (step > 0 && load >= enter_load(step) - kLeaveBelow) {
    last_high_ = now;
  } else if (step > 0 && now - last_high_ >= kCalm) {
    step_ = static_cast<OverloadStep>(step - 1);
    last_high_ = now;  // the next one down waits its time, too
  }
  return step_;
}

}  // namespace soundgate
