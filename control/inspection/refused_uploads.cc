#include "control/inspection/refused_uploads.h"

#include <algorithm>

#include "control/limits.h"

namespace soundgate {

void RefusedUploads::attach(Lift lift) {
  const std::lock_guard lock(mutex_);
  lift_ = std::move(lift);
}

bool RefusedUploads::concerns(const Lifted& lifted, const Cause& cause) {
  return lifted.bank == cause.bank &&
         (lifted.content_id.empty() || lifted.content_id == cause.content_id);
}

void RefusedUploads::add(const Decision& decision, UploadKey key) {
  Refused refused{decision.upload_id, key, {}};
  for (const JudgedMatch& judged : decision.verdict.matches) {
    if (judged.action != Action::kBlock) continue;
    refused.causes.push_back({judged.match.bank.name, judged.match.content_id});
  }
  const std::lock_guard lock(mutex_);
  const bool had_causes = !refused.causes.empty();
  std::erase_if(refused.causes, [&](const Cause& cause) {
    return std::ranges::any_of(lifted_, [&](const Lifted& lifted) {
      return decision.decided && lifted.at >= *decision.decided && concerns(lifted, cause);
    });
  });
  if (had_causes && refused.causes.empty()) {
    if (lift_) lift_({key});
    return;
  }
  refused_.push_back(std::move(refused));
  if (refused_.size() > kRefusedUploadsMax) refused_.pop_front();
}

size_t RefusedUploads::lift_reference(std::string_view bank, std::string_view content_id) {
  return lift({std::string(bank), std::string(content_id), std::chrono::system_clock::now()});
}

size_t RefusedUploads::lift_bank(std::string_view bank) {
  return lift({std::string(bank), "", std::chrono::system_clock::now()});
}

size_t RefusedUploads::lift(Lifted lifted) {
  const std::lock_guard lock(mutex_);
  std::vector<UploadKey> uploads;
  std::erase_if(refused_, [&](Refused& refused) {
    const size_t fewer =
        std::erase_if(refused.causes, [&](const Cause& cause) { return concerns(lifted, cause); });
    if (fewer == 0 || !refused.causes.empty()) return false;
    uploads.push_back(refused.key);
    return true;
  });
  const size_t count = uploads.size();
  if (lift_ && count > 0) lift_(std::move(uploads));
  lifted_.push_back(std::move(lifted));
  if (lifted_.size() > kLiftedMax) lifted_.pop_front();
  return count;
}

bool RefusedUploads::release(std::string_view upload_id) {
  const std::lock_guard lock(mutex_);
  const auto found = std::ranges::find(refused_, upload_id, &Refused::upload_id);
  if (found == refused_.end()) return false;
  const bool lifted = lift_ && lift_({found->key});
  refused_.erase(found);
  return lifted;
}

}  // namespace soundgate
