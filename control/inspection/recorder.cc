#include "control/inspection/recorder.h"

#include <pthread.h>

#include <nlohmann/json.hpp>

#include "control/decisions/verdict_json.h"
#include "control/inspection/stream_tag.h"
#include "control/limits.h"
#include "control/log.h"
#include "control/text.h"

namespace soundgate {
namespace {

using SteadyClock = std::chrono::steady_clock;
constexpr std::chrono::seconds kRetryPeriod{1};
constexpr std::chrono::minutes kPrunePeriod{1};
constexpr size_t kTroublesMax = 100;  // in one turn

DecisionRow make_row(const Decision& decision, Fingerprint fingerprint) {
  DecisionRow row;
  row.upload_id = decision.upload_id;
  row.time = decision.time;
  row.verdict = decision.verdict.verdict;
  row.checked = decision.verdict.checked;
  row.request_id = decision.request.request_id;
  row.json = dump(verdict_json(decision));
  row.fingerprint = std::move(fingerprint);
  return row;
}

void log_decision(const Decision& decision) {
  const auto& matches = decision.verdict.matches;
  log(LogLevel::kInfo, "upload_decided",
      {{"upload_id", decision.upload_id},
       {"verdict", std::string(name(decision.verdict.verdict))},
       {"reason", decision.verdict.reason},
       {"checked", std::string(name(decision.verdict.checked))},
       {"enforced", decision.enforced ? "true" : "false"},
       {"match",
        matches.empty() ? "" : matches[0].match.bank.name + "/" + matches[0].match.content_id},
       {"client", decision.request.client},
       {"path", decision.request.path}});
}

UploadInFlight view_of(const UploadSlot& slot, const UploadTrail& trail, WallTime now) {
  UploadInFlight view;
  view.upload_id = slot.upload_id.data();
  view.mode = name(slot.mode);
  view.client = slot.client.view();
  view.method = slot.method.view();
  view.host = slot.host.view();
  view.path = slot.path.view();
  view.request_id = slot.request_id.view();
  view.bytes = slot.bytes.load(std::memory_order_relaxed);
  view.body_bytes = slot.body_bytes;
  view.first_byte = slot.first_byte;
  view.state = "receiving";
  view.waiting_for = "bytes";
  if (!trail.last_byte) return view;
  const bool decided =
      (slot.progress.load(std::memory_order_acquire) & UploadSlot::kVerdictReady) != 0;
  const bool held = slot.mode == Mode::kEnforce && !trail.gate;
  view.state = held ? "held" : "deciding";
  view.waiting_for = decided ? "gate" : "verdict";
  if (held) view.held_seconds = std::chrono::duration<double>(now - *trail.last_byte).count();
  return view;
}

}  // namespace

Recorder::Recorder(DecisionStore& store,
                   const std::vector<std::unique_ptr<UploadChannel>>& channels, Settings settings)
    : store_(store), channels_(channels), settings_(std::move(settings)) {
  trails_.assign(channels.size(), std::vector<UploadTrail>(kUploadSlotsPerLcore));
}

Recorder::~Recorder() { stop(); }

void Recorder::start() {
  running_ = true;
  thread_ = std::thread([this] { run(); });
}

void Recorder::stop() {
  if (!thread_.joinable()) return;
  {
    const std::lock_guard lock(mutex_);
    stopping_ = true;
  }
  wake_.notify_one();
  thread_.join();
  {
    const std::lock_guard lock(mutex_);
    running_ = false;
  }
  settled_.notify_all();
}

void Recorder::settle(std::chrono::milliseconds patience) {
  const auto deadline = SteadyClock::now() + patience;
  std::unique_lock lock(mutex_);
  const uint64_t look = ++looks_wanted_;
  wake_.notify_one();
  settled_.wait_until(lock, deadline, [&] { return !running_ || looks_taken_ >= look; });
  const uint64_t closed = closed_;
  settled_.wait_until(lock, deadline, [&] { return !running_ || !awaits_verdict(closed); });
  const uint64_t rows = rows_made_;
  settled_.wait_until(lock, deadline, [&] { return !running_ || rows_written_ >= rows; });
}

bool Recorder::awaits_verdict(uint64_t closed_max) const {
  for (const auto& trails : trails_) {
    for (const UploadTrail& trail : trails) {
      if (trail.gate && !trail.recorded && trail.closed_number <= closed_max) return true;
    }
  }
  return false;
}

void Recorder::verdict_ready(uint64_t tag) {
  {
    const std::lock_guard lock(mutex_);
    verdicts_.push_back(tag);
  }
  wake_.notify_one();
}

void Recorder::trouble(const std::string& what) {
  const std::lock_guard lock(mutex_);
  if (troubles_.size() < kTroublesMax) troubles_.push_back(what);
}

void Recorder::run() {
  ::pthread_setname_np(::pthread_self(), "sg-record");
  for (bool stopping = false; !stopping;) {
    {
      std::unique_lock lock(mutex_);
      wake_.wait_for(lock, kRecorderPeriod, [&] {
        return stopping_ || !verdicts_.empty() || looks_wanted_ != looks_taken_;
      });
      stopping = stopping_;
    }
    turn();
  }
  // Whoever is still waiting for a verdict will not get one.
  {
    const std::lock_guard lock(mutex_);
    for (size_t lcore = 0; lcore < channels_.size(); ++lcore) {
      for (uint16_t slot = 0; slot < kUploadSlotsPerLcore; ++slot) {
        const UploadTrail& trail = trails_[lcore][slot];
        if (trail.open && !trail.recorded) record(lcore, slot, true);
      }
    }
  }
  make_rows();
  retry_at_ = {};
  write_pending();
}

void Recorder::turn() {
  rounds_.fetch_add(1, std::memory_order_relaxed);
  uint64_t rows = 0;
  bool somebody_waits = false;
  {
    const std::lock_guard lock(mutex_);
    somebody_waits = looks_wanted_ != looks_taken_;
    looks_taken_ = looks_wanted_;
    for (size_t lcore = 0; lcore < channels_.size(); ++lcore) drain_events(lcore);
    drain_verdicts();
    rows = rows_made_;
  }
  log_troubles();
  make_rows();
  write_pending();
  if (pending_.empty()) note_written(rows, somebody_waits);
  prune();
}

void Recorder::note_written(uint64_t rows, bool somebody_waits) {
  {
    const std::lock_guard lock(mutex_);
    if (rows_written_ == rows && !somebody_waits) return;
    rows_written_ = rows;
  }
  settled_.notify_all();
}

void Recorder::drain_events(size_t lcore_index) {
  UploadEvent event;
  while (channels_[lcore_index]->events.pop(event)) {
    UploadTrail& trail = trails_[lcore_index][event.slot_index];
    switch (event.kind) {
      case UploadEvent::Kind::kBegun:
        trail = {};
        trail.open = true;
        break;
      case UploadEvent::Kind::kFinished:
        trail.last_byte = event.last_byte;
        break;
      case UploadEvent::Kind::kClosed:
        trail.gate = event.report;
        trail.closed_number = ++closed_;
        trail.end_follows = event.end_follows;
        close(lcore_index, event.slot_index);
        break;
    }
  }
}

void Recorder::close(size_t lcore_index, uint16_t slot_index) {
  const UploadTrail& trail = trails_[lcore_index][slot_index];
  const UploadSlot& slot = channels_[lcore_index]->slots[slot_index];
  const uint8_t progress = slot.progress.load(std::memory_order_acquire);
  const bool verdict_ready = (progress & UploadSlot::kVerdictReady) != 0;
  const bool waits = trail.end_follows && !verdict_ready;
  const bool let_go_for_a_reason = trail.gate->reason != DataplaneReason::kNone;
  if (!waits || let_go_for_a_reason) record(lcore_index, slot_index, !waits);
}

void Recorder::drain_verdicts() {
  for (const uint64_t tag : verdicts_) {
    const size_t lcore_index = lcore_of(tag);
    const uint16_t slot_index = slot_of(tag);
    const UploadTrail& trail = trails_[lcore_index][slot_index];
    const bool current = channels_[lcore_index]->slots[slot_index].tag.load() == tag;
    if (current && trail.open && trail.gate) record(lcore_index, slot_index, true);
  }
  verdicts_.clear();
}

// last: nothing more will be heard of the upload, its slot is free again.
void Recorder::record(size_t lcore_index, uint16_t slot_index, bool last) {
  UploadTrail& trail = trails_[lcore_index][slot_index];
  UploadSlot& slot = channels_[lcore_index]->slots[slot_index];
  {
    const std::lock_guard lock(slot.mutex);
    const Finding* finding = slot.finding ? &*slot.finding : nullptr;
    Fingerprint fingerprint = finding != nullptr ? finding->fingerprint : Fingerprint();
    Decision decision =
        make_decision(slot, trail, finding, settings_.policy, settings_.policy_version);
    if (!trail.recorded) {
      count(decision, slot.body_bytes);
      note_refusal(decision, slot.key);
    }
    ++rows_made_;
    recorded_.push_back({std::move(decision), std::move(fingerprint), trail.recorded});
  }
  trail.recorded = true;
  if (last) free_slot(lcore_index, slot_index);
}

void Recorder::count(const Decision& decision, int64_t body_bytes) {
  const Verdict& verdict = decision.verdict;
  ++counters_.verdicts.at(static_cast<size_t>(verdict.verdict))
        .at(static_cast<size_t>(verdict.checked));
  if (decision.early && decision.early->stopped) {
    ++counters_.early_stopped;
    const int64_t spared = body_bytes - decision.bytes;
    if (decision.enforced && spared > 0)
      counters_.early_spared_bytes += static_cast<uint64_t>(spared);
  } else if (decision.early) {
    ++counters_.early_observed;
  }
  if (!decision.last_byte || !decision.decided) return;
  const std::chrono::duration<double> waited = *decision.decided - *decision.last_byte;
  counters_.decide_seconds_sum += std::max(0.0, waited.count());
  ++counters_.decide_count;
}

void Recorder::note_refusal(const Decision& decision, UploadKey key) {
  const bool blocked = decision.gate && (decision.gate->outcome == GateOutcome::kBlocked ||
                                         decision.gate->outcome == GateOutcome::kBlockedUnasked);
  const bool in_parts = !decision.request.resource.empty();
  if (settings_.refused != nullptr && blocked && in_parts) settings_.refused->add(decision, key);
}

void Recorder::free_slot(size_t lcore_index, uint16_t slot_index) {
  UploadSlot& slot = channels_[lcore_index]->slots[slot_index];
  {
    const std::lock_guard lock(slot.mutex);
    slot.tag.store(0, std::memory_order_release);
    slot.recognition.reset();
    slot.early.reset();
    slot.told_candidate = false;
    slot.finding.reset();
    slot.released_by.clear();
  }
  trails_[lcore_index][slot_index] = {};
  channels_[lcore_index]->free_slots.push(slot_index);
}

// Without the mutex: a log that nobody reads may block, and a matcher must not wait for it.
void Recorder::log_troubles() {
  std::vector<std::string> troubles;
  {
    const std::lock_guard lock(mutex_);
    troubles.swap(troubles_);
  }
  for (const std::string& what : troubles) {
    log(LogLevel::kWarn, "decoder_trouble", {{"what", what}});
  }
}

// Without the mutex, as above.
void Recorder::make_rows() {
  for (Recorded& recorded : recorded_) {
    if (!recorded.again) log_decision(recorded.decision);
    if (!recorded.again && settings_.on_decision) settings_.on_decision(recorded.decision);
    if (pending_.size() >= kPendingRowsMax) continue;
    pending_.push_back(make_row(recorded.decision, std::move(recorded.fingerprint)));
  }
  recorded_.clear();
}

void Recorder::write_pending() {
  const auto now = SteadyClock::now();
  if (pending_.empty() || now < retry_at_) return;
  if (const auto written = store_.write(pending_); !written) {
    log(LogLevel::kError, "decisions_not_written",
        {{"error", written.error().message}, {"rows_waiting", std::to_string(pending_.size())}});
    retry_at_ = now + kRetryPeriod;
    return;
  }
  pending_.clear();
}

void Recorder::prune() {
  const auto now = SteadyClock::now();
  if (now < prune_at_) return;
  prune_at_ = now + kPrunePeriod;
  const auto oldest =
      std::chrono::system_clock::now() - std::chrono::hours(24 * settings_.limits.keep_items_days);
  const auto pruned = store_.prune_items(oldest, settings_.limits.keep_items_mib << 20);
  if (!pruned) log(LogLevel::kError, "items_not_pruned", {{"error", pruned.error().message}});
}

std::vector<UploadInFlight> Recorder::in_flight() const {
  std::vector<UploadInFlight> views;
  const WallTime now = std::chrono::system_clock::now();
  const std::lock_guard lock(mutex_);
  for (size_t lcore = 0; lcore < channels_.size(); ++lcore) {
    for (size_t slot = 0; slot < kUploadSlotsPerLcore; ++slot) {
      const UploadTrail& trail = trails_[lcore][slot];
      if (trail.open && !trail.recorded)
        views.push_back(view_of(channels_[lcore]->slots[slot], trail, now));
    }
  }
  std::sort(views.begin(), views.end(),
            [](const auto& a, const auto& b) { return a.upload_id < b.upload_id; });
  return views;
}

Result<UploadInFlight> Recorder::release(const std::string& upload_id, const std::string& by) {
  const std::lock_guard lock(mutex_);
  for (size_t lcore = 0; lcore < channels_.size(); ++lcore) {
    for (size_t slot_index = 0; slot_index < kUploadSlotsPerLcore; ++slot_index) {
      const UploadTrail& trail = trails_[lcore][slot_index];
      UploadSlot& slot = channels_[lcore]->slots[slot_index];
      const bool in_flight = trail.open && !trail.gate;
      if (in_flight && upload_id == slot.upload_id.data()) {
        return let_go(*channels_[lcore], slot, trail, by);
      }
    }
  }
  return fail(ErrorCode::kNotFound, "no upload " + escape_controls(upload_id) + " is in flight");
}

Result<UploadInFlight> Recorder::let_go(UploadChannel& channel, UploadSlot& slot,
                                        const UploadTrail& trail, const std::string& by) {
  if (slot.mode != Mode::kEnforce) {
    return fail(ErrorCode::kConflict, "nothing of the upload is held: it is only observed");
  }
  {
    const std::lock_guard lock(slot.mutex);
    slot.released_by = by;
  }
  GateDecision decision = gate_decision(slot);
  decision.block = false;
  decision.unchecked = DataplaneReason::operator_release;
  {
    const std::lock_guard lock(channel.decisions_mutex);
    if (!channel.decisions.push(decision)) {
      return fail(ErrorCode::kUnavailable, "too many decisions wait for the lcore: try again");
    }
  }
  log(LogLevel::kWarn, "upload_let_go", {{"upload_id", slot.upload_id.data()}, {"by", by}});
  return view_of(slot, trail, std::chrono::system_clock::now());
}

RecorderCounters Recorder::counters() const {
  const auto views = in_flight();
  const std::lock_guard lock(mutex_);
  RecorderCounters counters = counters_;
  counters.uploads_in_flight = views.size();
  for (const UploadInFlight& view : views) {
    if (view.state == "receiving") ++counters.receiving;
    if (view.state == "deciding") ++counters.deciding;
    if (view.state == "held") ++counters.held;
  }
  for (const auto& channel : channels_) counters.unrecorded += channel->unrecorded.load();
  return counters;
}

}  // namespace soundgate
