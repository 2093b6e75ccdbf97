#include "control/inspection/upload_matcher.h"

#include "control/inspection/stream_tag.h"
#include "control/policy/policy.h"

namespace soundgate {

UploadMatcher::UploadMatcher(const Index& index, const FailPolicy& policy,
                             std::span<const std::unique_ptr<UploadChannel>> channels, bool early,
                             OnVerdict on_verdict, OnCandidate on_candidate)
    : index_(index),
      policy_(policy),
      channels_(channels),
      early_(early),
      on_verdict_(std::move(on_verdict)),
      on_candidate_(std::move(on_candidate)) {}

UploadSlot* UploadMatcher::slot_of_tag(uint64_t tag) const {
  if (lcore_of(tag) >= channels_.size() || slot_of(tag) >= kUploadSlotsPerLcore) return nullptr;
  return &channels_[lcore_of(tag)]->slots[slot_of(tag)];
}

UploadMatcher::Work UploadMatcher::take(UploadSlot& slot, uint64_t tag) const {
  Work work;
  {
    const std::lock_guard lock(slot.mutex);
    const bool over = slot.tag.load(std::memory_order_acquire) != tag || slot.finding.has_value();
    if (over) return {};
    work = {std::move(slot.recognition), slot.early, slot.mode, slot.told_candidate};
  }
  if (!work.recognition) work.recognition = std::make_unique<Recognition>(index_.match());
  return work;
}

void UploadMatcher::give_back(UploadSlot& slot, uint64_t tag, Work work) const {
  const std::lock_guard lock(slot.mutex);
  if (slot.tag.load(std::memory_order_acquire) != tag) return;  // over meanwhile
  slot.recognition = std::move(work.recognition);
  slot.early = work.early;
  slot.told_candidate = work.told_candidate;
}

void UploadMatcher::on_items(uint64_t tag, uint32_t first_item, std::span<const Item> items) {
  on_view_items(tag, kPlainView, first_item, items);
}

void UploadMatcher::on_view_items(uint64_t tag, int view, uint32_t first_item,
                                  std::span<const Item> items) {
  UploadSlot* slot = slot_of_tag(tag);
  if (slot == nullptr) return;
  Work work = take(*slot, tag);
  if (!work.recognition) return;
  if (view == kPlainView) {
    work.recognition->append(first_item, items);
  } else {
    work.recognition->append_view(view, first_item, items);
  }
  if (auto finding = look(work, *slot, tag)) {
    publish(*slot, tag, std::move(*finding));
  } else {
    give_back(*slot, tag, std::move(work));
  }
}

// What is enough to stop the upload now. Where nothing is stopped, it is noted that it would be.
std::optional<Finding> UploadMatcher::look(Work& work, const UploadSlot& slot, uint64_t tag) const {
  const bool may_stop = early_ && !work.early;
  if (on_candidate_ && !work.told_candidate && work.recognition->has_candidate()) {
    work.told_candidate = true;
    on_candidate_(tag);
  }
  if (!may_stop) return {};
  std::vector<Match> certain = work.recognition->decisive(Action::kBlock);
  if (certain.empty()) return {};
  auto verdict = judge_early(certain);
  if (!verdict) return {};
  work.early = EarlyVerdict{.at = std::chrono::system_clock::now(),
                            .heard_seconds = work.recognition->heard_seconds(),
                            .bytes = slot.bytes.load(std::memory_order_relaxed),
                            .stopped = work.mode == Mode::kEnforce};
  if (!work.early->stopped) return {};
  Recognition::Result result = work.recognition->stop(std::move(certain));
  Finding finding;
  finding.verdict = std::move(*verdict);
  finding.early = work.early;
  finding.fingerprint = std::move(result.fingerprint);
  finding.index_version = result.index_version;
  finding.at = work.early->at;
  return finding;
}

// What was matched was a part of what comes now: a session of its own, so that each says what its
// own audio is worth.
void UploadMatcher::on_again(uint64_t tag) {
  UploadSlot* slot = slot_of_tag(tag);
  if (slot == nullptr) return;
  Work work = take(*slot, tag);
  if (!work.recognition) return;
  work.recognition = std::make_unique<Recognition>(index_.match());
  give_back(*slot, tag, std::move(work));
}

void UploadMatcher::on_end(uint64_t tag, const DecodeEnd& end) {
  UploadSlot* slot = slot_of_tag(tag);
  if (slot == nullptr) return;
  Work work = take(*slot, tag);
  if (!work.recognition) return;
  Recognition::Result result = work.recognition->finish(end);
  Finding finding;
  finding.end = end;
  finding.early = work.early;
  finding.index_version = result.index_version;
  finding.fingerprint = std::move(result.fingerprint);
  finding.verdict = judge(std::move(result.matches), end, policy_);
  finding.at = std::chrono::system_clock::now();
  publish(*slot, tag, std::move(finding));
}

void UploadMatcher::publish(UploadSlot& slot, uint64_t tag, Finding finding) const {
  {
    const std::lock_guard lock(slot.mutex);
    if (slot.tag.load(std::memory_order_acquire) != tag) return;  // over meanwhile
    const bool stops = !finding.end.has_value();
    slot.blocks.store(finding.verdict.verdict == VerdictKind::kBlock, std::memory_order_relaxed);
    slot.finding = std::move(finding);
    const uint8_t before =
        slot.progress.fetch_or(UploadSlot::kVerdictReady, std::memory_order_acq_rel);
    const bool finished = (before & UploadSlot::kFinished) != 0;
    const bool abandoned = (before & UploadSlot::kAbandoned) != 0;
    // What has come is enough, also where not every byte of it could be handed over.
    if (stops || (finished && !abandoned)) send(tag, slot);
  }
  on_verdict_(tag);
}

// A full ring costs the upload its decision in time: its deadline will see to it.
void UploadMatcher::send(uint64_t tag, const UploadSlot& slot) const {
  UploadChannel& channel = *channels_[lcore_of(tag)];
  const std::lock_guard lock(channel.decisions_mutex);
  channel.decisions.push(gate_decision(slot));
}

}  // namespace soundgate
