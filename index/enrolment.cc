#include "index/enrolment.h"

#include <algorithm>
#include <utility>

#include "index/align/view.h"
#include "index/audio_seconds.h"

namespace soundgate {
namespace {

using std::chrono::system_clock;

// A reference with less than this of audio, or of informative audio, is hard to find again.
constexpr double kShortSeconds = 10;
constexpr double kInformativeShareMin = 0.5;
constexpr size_t kOverlapWarningsMax = 8;

}  // namespace

ReferenceEntry entry_of(const Bank& bank, Reference reference, ReferenceItems items,
                        const Suppressions& suppressions) {
  reference.bank = bank.name;
  const auto suppression = suppressions.find({bank.name, reference.content_id});
  if (suppression != suppressions.end()) reference.suppression = suppression->second;
  ReferenceEntry entry;
  entry.bank_id = bank.id;
  entry.reference = std::move(reference);
  entry.items = std::move(items);
  return entry;
}

Reference reference_of(const EnrollRequest& request, system_clock::time_point now) {
  Reference reference;
  reference.content_id = request.content_id;
  reference.title = request.title;
  reference.metadata_json = request.metadata_json;
  reference.duration_seconds = request.fingerprint.duration_seconds;
  reference.enrolled = now;
  return reference;
}

std::vector<std::string> overlaps_of(const std::shared_ptr<const Snapshot>& snapshot,
                                     const Bank& bank, const EnrollRequest& request) {
  Matcher matcher(snapshot, Band::kFull);
  matcher.append(snapshot, 0, request.fingerprint.items);
  std::vector<std::string> overlaps;
  const View view = finish_view(
      {kPlainView, &matcher, {&matcher.query()}, kFalsePositivesPerUpload, 0}, snapshot);
  for (const ReferenceAlignments& found : view.found) {
    const ReferenceEntry* entry = snapshot->references.at(found.slot);
    if (entry->bank_id != bank.id || entry->reference.content_id == request.content_id) continue;
    if (overlaps.size() == kOverlapWarningsMax) break;
    overlaps.push_back(entry->reference.content_id);
  }
  return overlaps;
}

// The audio may be longer than its fingerprint: what is not in that cannot be found again.
std::vector<std::string> warnings_of(const ReferenceEntry& entry, system_clock::time_point now) {
  const Reference& reference = entry.reference;
  const double seconds =
      std::min(reference.duration_seconds, audio_seconds(entry.items.count() + 1));
  std::vector<std::string> warnings;
  if (seconds < kShortSeconds) warnings.emplace_back("short");
  if (reference.indexed_seconds < kInformativeShareMin * seconds) {
    warnings.emplace_back("low_information");
  }
  if (is_in_force(reference.suppression, now)) warnings.emplace_back("suppressed");
  return warnings;
}

Suppressions new_suppressions(std::span<const NewReference> references, const Suppressions& known,
                              system_clock::time_point now) {
  Suppressions suppressions;
  for (const auto& [bank, request] : references) {
    if (!is_in_force(request->suppression, now)) continue;
    const SuppressionKey key(request->bank, request->content_id);
    const auto old = known.find(key);
    if (old != known.end() && is_in_force(old->second, now)) continue;
    suppressions.emplace(key, *request->suppression);
  }
  return suppressions;
}

}  // namespace soundgate
