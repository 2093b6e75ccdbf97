// The verdict on one upload, and what it rests on.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "index/match.h"

namespace soundgate {

enum class VerdictKind : uint8_t { kPass, kFlag, kBlock };  // from mild to strict
std::string_view name(VerdictKind verdict);
std::optional<VerdictKind> parse_verdict(std::string_view name);

// How much of the upload was seen.
enum class Checked : uint8_t { kFull, kPartial, kNone };
std::string_view name(Checked checked);
std::optional<Checked> parse_checked(std::string_view name);

// A match, and what the policy makes of it.
struct JudgedMatch {
  Match match;
  Action action = Action::kAllow;  // the bank's, or track where too little matched
};

struct Verdict {
  VerdictKind verdict = VerdictKind::kPass;
  Action action = Action::kAllow;
  std::string reason;  // "match", "no_match", or what kept the upload from being checked
  Checked checked = Checked::kNone;
  std::vector<JudgedMatch> matches;  // strictest first
};

inline constexpr std::string_view kReasonMatch = "match";
inline constexpr std::string_view kReasonNoMatch = "no_match";

}  // namespace soundgate
