// A bank: a named set of references, with what happens to uploads that match one of them.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace soundgate {

// From the mildest to the strictest; of several, the strictest wins.
enum class Action : uint8_t { kAllow, kTrack, kLabel, kDemote, kHoldReview, kBlock };

std::string_view name(Action action);  // "allow" … "hold_review", "block"
std::optional<Action> parse_action(std::string_view name);

enum class Probes : uint8_t { kOff, kNear, kWide };

std::string_view name(Probes probes);  // "off", "near", "wide"
std::optional<Probes> parse_probes(std::string_view name);
int probe_step_max(Probes probes);  // steps either way (fingerprint.h): 0, 2 (6 %), 10 (a third)

// [a-z0-9._-]{1,64}
bool is_bank_name(std::string_view name);

struct Bank {
  int64_t id = 0;
  std::string name;
  Action action = Action::kHoldReview;
  Probes probes = Probes::kOff;
  double seconds_min = 10;  // of matched audio; shorter matches only track
  bool paused = false;      // matches of a paused bank are not looked for
  int64_t reference_count = 0;
};

}  // namespace soundgate
