#include <array>
#include <cstddef>

#include "dataplane/dataplane.h"

namespace soundgate {
namespace {

struct ReasonText {
  std::string_view name;
  std::string_view text;
  FailAction action;
};

constexpr std::array kReasons{
    ReasonText{"", "", FailAction::kPass},
#define REASON(name, text, action) ReasonText{#name, text, FailAction::action},
#include "dataplane/reasons.def"
#undef REASON
};

}  // namespace

std::string_view name(DataplaneReason reason) { return kReasons[static_cast<size_t>(reason)].name; }
std::string_view text(DataplaneReason reason) { return kReasons[static_cast<size_t>(reason)].text; }

std::vector<FailAction> default_fail_policy() {
  std::vector<FailAction> policy;
  for (const ReasonText& reason : kReasons) policy.push_back(reason.action);
  return policy;
}

}  // namespace soundgate
