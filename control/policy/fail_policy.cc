#include "control/policy/fail_policy.h"

#include <array>

namespace soundgate {
namespace {

struct ReasonRow {
  std::string_view name;
  std::string_view text;
  FailAction action;
};

struct OutcomeRow {
  std::string_view name;
  std::string_view text;
  Checked checked;
  FailAction action;
};

constexpr ReasonRow kReasons[] = {
    {"", "", FailAction::kPass},  // kNone
#define REASON(name, text, action) {#name, text, FailAction::action},
#include "dataplane/reasons.def"
#undef REASON
};

constexpr OutcomeRow kOutcomes[] = {
#define OUTCOME(name, text, checked, action) {#name, text, Checked::checked, FailAction::action},
#include "fingerprint/decode/outcomes.def"
#undef OUTCOME
};

constexpr std::array<std::string_view, 3> kActions = {"pass", "flag", "block"};

// `decoded` is success: it is no reason, and cannot be configured.
bool is_configurable(std::string_view name) { return !name.empty() && name != "decoded"; }

template <class Row, size_t count>
const Row* find(const Row (&rows)[count], std::string_view name) {
  for (const Row& row : rows) {
    if (row.name == name) return &row;
  }
  return nullptr;
}

}  // namespace

std::string_view name(FailAction action) { return kActions.at(static_cast<size_t>(action)); }

std::optional<FailAction> parse_fail_action(std::string_view text) {
  for (size_t i = 0; i < kActions.size(); ++i) {
    if (kActions[i] == text) return static_cast<FailAction>(i);
  }
  return {};
}

std::string_view reason_name(DataplaneReason reason) {
  return kReasons[static_cast<size_t>(reason)].name;
}

std::string_view outcome_name(DecodeOutcome outcome) {
  return kOutcomes[static_cast<size_t>(outcome)].name;
}

Checked checked_of(DecodeOutcome outcome) {
  return kOutcomes[static_cast<size_t>(outcome)].checked;
}

std::string_view reason_text(std::string_view reason) {
  if (const ReasonRow* row = find(kReasons, reason)) return row->text;
  if (const OutcomeRow* row = find(kOutcomes, reason)) return row->text;
  return "";
}

FailPolicy::FailPolicy() {
  for (const ReasonRow& row : kReasons) dataplane_.push_back(row.action);
  for (const OutcomeRow& row : kOutcomes) decoder_.push_back(row.action);
}

bool FailPolicy::set(std::string_view reason, FailAction action) {
  if (!is_configurable(reason)) return false;
  if (const ReasonRow* row = find(kReasons, reason)) {
    dataplane_[static_cast<size_t>(row - kReasons)] = action;
    return true;
  }
  if (const OutcomeRow* row = find(kOutcomes, reason)) {
    decoder_[static_cast<size_t>(row - kOutcomes)] = action;
    return true;
  }
  return false;
}

FailAction FailPolicy::of(DataplaneReason reason) const {
  return dataplane_[static_cast<size_t>(reason)];
}

FailAction FailPolicy::of(DecodeOutcome outcome) const {
  return decoder_[static_cast<size_t>(outcome)];
}

std::vector<FailAction> FailPolicy::dataplane_actions() const { return dataplane_; }

std::vector<std::string_view> FailPolicy::names() {
  std::vector<std::string_view> names;
  for (const ReasonRow& row : kReasons) {
    if (is_configurable(row.name)) names.push_back(row.name);
  }
  for (const OutcomeRow& row : kOutcomes) {
    if (is_configurable(row.name)) names.push_back(row.name);
  }
  return names;
}

}  // namespace soundgate
