// What an enrolment makes of a reference: its entry, warnings, and the suppressions it brings.
// Thread: any.
#pragma once

#include <chrono>
#include <map>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "index/catalogue/catalogue.h"
#include "index/index.h"
#include "index/search/snapshot.h"

namespace soundgate {

using Suppressions = std::map<SuppressionKey, Suppression>;

ReferenceEntry entry_of(const Bank& bank, Reference reference, ReferenceItems items,
                        const Suppressions& suppressions);
Reference reference_of(const EnrollRequest& request, std::chrono::system_clock::time_point now);

// The other references of this bank that the new one has stretches of: their content ids.
std::vector<std::string> overlaps_of(const std::shared_ptr<const Snapshot>& snapshot,
                                     const Bank& bank, const EnrollRequest& request);
std::vector<std::string> warnings_of(const ReferenceEntry& entry,
                                     std::chrono::system_clock::time_point now);

// What was decided here holds: a reference that comes with a suppression changes none that is in
// force, and one that comes without lifts none.
Suppressions new_suppressions(std::span<const NewReference> references, const Suppressions& known,
                              std::chrono::system_clock::time_point now);

}  // namespace soundgate
