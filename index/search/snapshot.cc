#include "index/search/snapshot.h"

#include <algorithm>

namespace soundgate {

const Bank* find_bank(const Snapshot& snapshot, std::string_view name) {
  const auto found = std::ranges::find_if(
      snapshot.banks, [&](const auto& entry) { return entry.second.name == name; });
  return found == snapshot.banks.end() ? nullptr : &found->second;
}

bool is_live(const Snapshot& snapshot, Slot slot) {
  const ReferenceEntry* entry = snapshot.references.at(slot);
  return entry != nullptr && !snapshot.banks.at(entry->bank_id).paused;
}

bool is_in_force(const std::optional<Suppression>& suppression,
                 std::chrono::system_clock::time_point now) {
  return suppression && (!suppression->until || now < *suppression->until);
}

}  // namespace soundgate
