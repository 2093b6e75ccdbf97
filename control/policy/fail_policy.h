// What happens to an upload that could not be inspected, by reason: one table over the reasons of
// the dataplane and the outcomes of the decoder.
// Thread: a value, read by many after it is set up.
#pragma once

#include <optional>
#include <string_view>
#include <vector>

#include "control/policy/verdict.h"
#include "dataplane/upload.h"
#include "fingerprint/decode/decoder_pool.h"

namespace soundgate {

std::string_view name(FailAction action);  // "pass", "flag", "block"
std::optional<FailAction> parse_fail_action(std::string_view name);

std::string_view reason_name(DataplaneReason reason);  // "" for kNone
std::string_view outcome_name(DecodeOutcome outcome);
Checked checked_of(DecodeOutcome outcome);

// The sentence behind a reason of either room; "" for an unknown one.
std::string_view reason_text(std::string_view reason);

class FailPolicy {
 public:
  FailPolicy();  // the defaults of reasons.def and outcomes.def

  bool set(std::string_view reason, FailAction action);  // false: there is no such reason
  FailAction of(DataplaneReason reason) const;           // kPass for kNone
  FailAction of(DecodeOutcome outcome) const;            // kPass for decoded

  std::vector<FailAction> dataplane_actions() const;  // indexed by DataplaneReason

  static std::vector<std::string_view> names();  // that set() takes

 private:
  std::vector<FailAction> dataplane_;
  std::vector<FailAction> decoder_;
};

}  // namespace soundgate
