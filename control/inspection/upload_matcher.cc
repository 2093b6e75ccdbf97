#include "control/inspection/upload_matcher.h"

#include "control/inspection/stream_tag.h"
#include "control/policy/policy.h"

namespace soundgate {

UploadMatcher::UploadMatcher(const Index& index, const FailPolicy& policy,
                             std::span<const std::unique_ptr<UploadChannel>> channels,
                             OnVerdict on_verdict)
    : index_(index), policy_(policy), channels_(channels), on_verdict_(std::move(on_verdict)) {}

UploadSlot* UploadMatcher::slot_of_tag(uint64_t tag) const {
  if (lcore_of(tag) >= channels_.size() || slot_of(tag) >= kUploadSlotsPerLcore) return nullptr;
  return &channels_[lcore_of(tag)]->slots[slot_of(tag)];
}

Recognition& UploadMatcher::recognition_of(UploadSlot& slot) const {
  if (!slot.recognition) slot.recognition = std::make_unique<Recognition>(index_.match());
  return *slot.recognition;
}

void UploadMatcher::on_items(uint64_t tag, uint32_t first_item, std::span<const Item> items) {
  UploadSlot* slot = slot_of_tag(tag);
  if (slot == nullptr) return;
  const std::lock_guard lock(slot->mutex);
  if (slot->tag.load(std::memory_order_acquire) != tag) return;  // its upload is over
  recognition_of(*slot).append(first_item, items);
}

void UploadMatcher::on_probe_items(uint64_t tag, int step, uint32_t first_item,
                                   std::span<const Item> items) {
  UploadSlot* slot = slot_of_tag(tag);
  if (slot == nullptr) return;
  const std::lock_guard lock(slot->mutex);
  if (slot->tag.load(std::memory_order_acquire) != tag) return;
  recognition_of(*slot).append_probe(step, first_item, items);
}

void UploadMatcher::on_end(uint64_t tag, const DecodeEnd& end) {
  UploadSlot* slot = slot_of_tag(tag);
  if (slot == nullptr) return;
  {
    const std::lock_guard lock(slot->mutex);
    if (slot->tag.load(std::memory_order_acquire) != tag) return;
    decide(*slot, end);
    const uint8_t before =
        slot->progress.fetch_or(UploadSlot::kVerdictReady, std::memory_order_acq_rel);
    const bool finished = (before & UploadSlot::kFinished) != 0;
    const bool abandoned = (before & UploadSlot::kAbandoned) != 0;
    // A full ring costs the upload its decision in time: its deadline will see to it.
    if (finished && !abandoned) channels_[lcore_of(tag)]->decisions.push(gate_decision(*slot));
  }
  on_verdict_(tag);
}

void UploadMatcher::decide(UploadSlot& slot, const DecodeEnd& end) const {
  Finding finding;
  finding.end = end;
  Recognition::Result result = recognition_of(slot).finish(end);
  finding.index_version = result.index_version;
  slot.recognition.reset();
  finding.fingerprint = std::move(result.fingerprint);
  finding.verdict = judge(std::move(result.matches), end, policy_);
  finding.at = std::chrono::system_clock::now();
  slot.blocks.store(finding.verdict.verdict == VerdictKind::kBlock, std::memory_order_relaxed);
  slot.finding = std::move(finding);
}

}  // namespace soundgate
