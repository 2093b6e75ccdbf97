#include "dataplane/gate/intake.h"

#include <algorithm>

namespace soundgate {

void Intake::set_skips(std::vector<SkipRule> skips) {
  if (skips.size() > kSkipsMax) skips.resize(kSkipsMax);
  const bool any = !skips.empty();
  skips_.publish(std::make_unique<const std::vector<SkipRule>>(std::move(skips)));
  has_skips_.store(any, std::memory_order_release);
}

DataplaneReason Intake::reason_to_pass(unsigned lcore_index, const FlowKey& flow,
                                       std::string_view host, WallTime now) {
  if (has_skips_.load(std::memory_order_acquire)) {
    const Published<std::vector<SkipRule>>::Reading skips(skips_, lcore_index);
    const auto skips_it = [&](const SkipRule& rule) { return rule.matches(flow, host, now); };
    if (std::ranges::any_of(*skips.get(), skips_it)) return DataplaneReason::skipped;
  }
  if (draining_.load(std::memory_order_relaxed)) return DataplaneReason::draining;
  return overloaded_.load(std::memory_order_relaxed) ? DataplaneReason::overload
                                                     : DataplaneReason::kNone;
}

}  // namespace soundgate
