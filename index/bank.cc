#include "index/bank.h"

#include <algorithm>
#include <array>

namespace soundgate {
namespace {

template <class Enum>
struct Named {
  Enum value;
  std::string_view name;
};

constexpr std::array<Named<Action>, 6> kActions{{{Action::kAllow, "allow"},
                                                 {Action::kTrack, "track"},
                                                 {Action::kLabel, "label"},
                                                 {Action::kDemote, "demote"},
                                                 {Action::kHoldReview, "hold_review"},
                                                 {Action::kBlock, "block"}}};

constexpr std::array<Named<Probes>, 3> kProbes{
    {{Probes::kOff, "off"}, {Probes::kNear, "near"}, {Probes::kWide, "wide"}}};

template <class Table, class Enum>
std::string_view name_in(const Table& table, Enum value) {
  const auto found = std::ranges::find(table, value, &Named<Enum>::value);
  return found == table.end() ? std::string_view("?") : found->name;
}

template <class Enum, class Table>
std::optional<Enum> parse_in(const Table& table, std::string_view name) {
  const auto found = std::ranges::find(table, name, &Named<Enum>::name);
  if (found == table.end()) return std::nullopt;
  return found->value;
}

bool is_bank_name_character(char c) {
  return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '.' || c == '_' || c == '-';
}

}  // namespace

std::string_view name(Action action) { return name_in(kActions, action); }
std::optional<Action> parse_action(std::string_view name) {
  return parse_in<Action>(kActions, name);
}

std::string_view name(Probes probes) { return name_in(kProbes, probes); }
std::optional<Probes> parse_probes(std::string_view name) {
  return parse_in<Probes>(kProbes, name);
}

int probe_step_max(Probes probes) {
  switch (probes) {
    case Probes::kOff:
      return 0;
    case Probes::kNear:
      return 2;
    case Probes::kWide:
      return 10;
  }
  return 0;
}

bool is_bank_name(std::string_view name) {
  return !name.empty() && name.size() <= 64 && std::ranges::all_of(name, is_bank_name_character);
}

}  // namespace soundgate
