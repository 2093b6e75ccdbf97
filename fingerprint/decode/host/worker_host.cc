#include "fingerprint/decode/host/worker_host.h"

#include <algorithm>
#include <system_error>
#include <utility>

#include "fingerprint/decode/shared/coverage_word.h"
#include "fingerprint/decode/shared/probe_word.h"

namespace soundgate::decode {

WorkerHost::WorkerHost(WorkerMemory& memory, DecodeListener& listener, Merger& merger,
                       PoolCounters& counters, uint32_t items_max, exact::KnownUploads* known)
    : memory_(memory),
      listener_(listener),
      merger_(merger),
      counters_(counters),
      items_max_(items_max),
      known_(known),
      streams_(memory.payload().geometry().slot_count) {
  if (!known) return;
  PayloadHeader& header = memory.payload().header();
  header.packets_key = known->packets_key();
  header.remembers_packets = true;
}

tl::expected<void, std::string> WorkerHost::prepare() {
  try {
    results_.emplace("soundgate-results", kResultsBytes, SharedMemory::Others::kReadAndWrite);
    return {};
  } catch (const std::system_error& error) {
    return tl::unexpected(std::string("cannot prepare a decoder: ") + error.what());
  }
}

void WorkerHost::attach(WorkerProcess process, Clock::time_point now) {
  if (attached_at_ != Clock::time_point{}) restarts_.fetch_add(1, std::memory_order_relaxed);
  reader_.emplace(results_->data());
  memory_.payload().header().results_read.store(0);
  process_.emplace(std::move(process));
  pid_.store(process_->pid(), std::memory_order_relaxed);
  memory_.at_work.store(true, std::memory_order_relaxed);
  // Should it be dead already, its pidfd says so soon.
  process_->hand_over(memory_.memory().fd(), results_->fd());
  ready_ = false;
  trust_ = Trust::kFull;
  suspect_ = 0;
  heartbeat_ = 0;
  cpu_ = CpuBudget((live_streams_ + 1) * cpu_allowance());
  cpu_used_ = process_->cpu_used();
  if (known_) maker_ = known_->new_maker();
  attached_at_ = last_sign_ = now;
}

void WorkerHost::drain() {
  charge_cpu();  // before what it earned: that does not keep
  const bool can_call = process_->take_calls();
  if (trust_ == Trust::kFull && !(take_waiting() && can_call)) condemn(Trust::kBroken);
}

void WorkerHost::condemn(Trust why) {
  if (trust_ == Trust::kFull) trust_ = why;
  process_->kill();
}

bool WorkerHost::take_waiting() {
  const auto waiting = reader_->waiting();
  if (!waiting) return false;
  for (uint32_t i = 0; i < *waiting; ++i) {
    if (!take(reader_->take())) return false;
  }
  memory_.payload().header().results_read.store(reader_->taken(), std::memory_order_release);
  // It may be waiting for room. (What it waits behind is taken in two goes at most.)
  if (*waiting >= kProbeEntriesMax / 2) memory_.wake();
  return true;
}

bool WorkerHost::take(const ResultEntry& entry) {
  if (entry.slot >= streams_.size()) return false;
  Stream& stream = look_up(entry.slot);
  const auto result = check_result(entry, stream.progress);
  if (!result) {
    suspect_ = running_mark(entry.slot, entry.generation);
    return false;
  }
  stream.heard = true;
  const auto* items = std::get_if<ItemsResult>(&*result);
  cpu_.earn(entry.consumed_bytes - stream.progress.consumed_bytes,
            items && items->view == kPlainView ? items->items.size() : 0);
  stream.progress.consumed_bytes = entry.consumed_bytes;
  memory_.control(entry.slot).consumed_bytes.store(entry.consumed_bytes, std::memory_order_release);
  if (items) deliver(entry.slot, stream, *items);
  if (const auto* packets = std::get_if<PacketsResult>(&*result)) {
    take_packets(entry.slot, stream, *packets);
  }
  if (std::holds_alternative<AgainResult>(*result)) begin_again(entry.slot, stream);
  if (const auto* ended = std::get_if<DecodeEnd>(&*result)) end_as_said(entry.slot, stream, *ended);
  return true;
}

// The stream that is in the slot now, with what there is to know of it. A generation that has not
// been seen yet is a stream that has begun since.
WorkerHost::Stream& WorkerHost::look_up(uint32_t slot) {
  const Slot& shared = memory_.payload().slot(slot);
  const uint32_t generation = shared.generation.load(std::memory_order_acquire);
  Stream& stream = streams_[slot];
  if (generation == shared.closed_generation.load(std::memory_order_relaxed)) {
    stream.progress.generation = 0;
  } else if (generation != stream.progress.generation) {
    const CoverageSettings coverage =
        unpack_coverage(shared.coverage.load(std::memory_order_relaxed));
    const ProbeSettings probes = unpack_probes(shared.probes.load(std::memory_order_relaxed));
    stream = Stream{.progress = {.generation = generation,
                                 .probe_step_max = probes.step_max,
                                 .is_sparse = coverage.share < 1,
                                 .items_max = items_max_,
                                 .remembers_packets = known_ != nullptr}};
    ++live_streams_;
    cpu_.add_stream(cpu_allowance());
  }
  if (stream.progress.generation != 0) note_division(slot, stream);
  stream.progress.is_finished = shared.flags.load(std::memory_order_acquire) & Slot::kFinished;
  stream.progress.appended_bytes = shared.appended_bytes.load(std::memory_order_acquire);
  stream.progress.may_begin_again =
      !stream.begun_again && stream.division == 0 &&
      shared.closer_generation.load(std::memory_order_relaxed) == generation;
  return stream;
}

// From now on it skips what are others' turns, and its listener hears of it through the merger.
void WorkerHost::note_division(uint32_t slot, Stream& stream) {
  const SlotControl& control = memory_.control(slot);
  const uint64_t division = control.division.load(std::memory_order_acquire);
  if (division == stream.division) return;
  stream.division = division;
  stream.part = unpack_division(control.part.load(std::memory_order_relaxed));
  stream.progress.is_sparse = true;
  forget_recording(stream);
  stream.unrecorded = true;
  if (stream.part.index > 0) return;
  Merger::PerBand told;
  for (const Band band : kAllBands) {
    told[static_cast<size_t>(band)] = stream.delivered_items[view_of(band)];
  }
  merger_.begin(division, stream.part, control.tag.load(std::memory_order_relaxed), told);
}

void WorkerHost::deliver(uint32_t slot, Stream& stream, const ItemsResult& result) {
  stream.progress.next_item[result.view] =
      result.first_item + static_cast<uint32_t>(result.items.size());
  stream.progress.read_blocks = result.read_blocks;
  if (contradicts(stream, result)) return drop_contradicted(slot, stream);
  if (known_) record(stream, result);
  const size_t told = tell(slot, stream, result.view, result.first_item, result.items);
  if (is_probe(result.view)) counters_.probe_items.fetch_add(told, std::memory_order_relaxed);
}

// Its listener hears all of it once more, so what it has heard until now is as if it had not been.
void WorkerHost::begin_again(uint32_t slot, Stream& stream) {
  stream.begun_again = true;
  stream.unrecorded = false;
  forget_progress(slot, stream);
  void_heard(slot, stream);
}

// Its worker reads it from the first byte once more.
void WorkerHost::forget_progress(uint32_t slot, Stream& stream) {
  stream.progress.next_item = {};
  stream.progress.consumed_bytes = 0;
  stream.progress.read_blocks = 0;
  stream.progress.next_packets_asked = stream.progress.next_packets_said = 0;
  stream.packets = {};
  stream.packets_are_all_said = false;
  forget_recording(stream);
  memory_.control(slot).consumed_bytes.store(0, std::memory_order_release);
}

void WorkerHost::void_heard(uint32_t slot, Stream& stream) {
  stream.delivered_items = {};
  stream.gap_items = 0;
  stream.partial = {};
  if (!is_unwanted(slot)) {
    listener_.on_again(memory_.control(slot).tag.load(std::memory_order_relaxed));
  }
}

// What of it is new: a worker that starts a stream again makes the same items again.
size_t WorkerHost::tell(uint32_t slot, Stream& stream, int view, uint32_t first_item,
                        std::span<const Item> items) {
  const uint32_t end = first_item + static_cast<uint32_t>(items.size());
  uint32_t& delivered_items = stream.delivered_items[view];
  const uint32_t first_new = std::max(delivered_items, first_item);
  if (first_new >= end) return 0;
  if (view == kPlainView) count(stream, first_new, end);
  delivered_items = end;
  if (is_unwanted(slot)) return 0;
  const auto fresh = items.subspan(first_new - first_item);
  hand_over(slot, stream, view, first_new, fresh);
  return fresh.size();
}

void WorkerHost::hand_over(uint32_t slot, const Stream& stream, int view, uint32_t first_item,
                           std::span<const Item> items) {
  SlotControl& control = memory_.control(slot);
  if (view == kPlainView) {
    control.delivered_items.store(stream.delivered_items[view], std::memory_order_relaxed);
  }
  const uint64_t tag = control.tag.load(std::memory_order_relaxed);
  if (stream.division != 0) {
    merger_.on_items(stream.division, stream.part, view, first_item, items);
  } else if (view == kPlainView) {
    listener_.on_items(tag, first_item, items);
  } else {
    listener_.on_view_items(tag, view, first_item, items);
  }
}

bool WorkerHost::is_all_kept(uint32_t slot) const {
  const Slot& shared = memory_.payload().slot(slot);
  return shared.evicted_end.load(std::memory_order_acquire) <= kHeaderBlocks;
}

void WorkerHost::count(Stream& stream, uint32_t first_new, uint32_t end) {
  stream.gap_items += first_new - stream.delivered_items[0];
  stream.partial.decoded_seconds += (end - first_new) * kItemSeconds;
  stream.partial.gap_seconds = stream.gap_items * kItemSeconds;
}

// Its producer has cancelled it, or its listener has heard of its end already.
bool WorkerHost::is_unwanted(uint32_t slot) const {
  return streams_[slot].settled ||
         memory_.control(slot).cancelled_generation.load(std::memory_order_acquire) ==
             streams_[slot].progress.generation;
}

// A worker that took over knows neither what the one before it had delivered, nor what of that it
// could not read any more.
void WorkerHost::end_as_said(uint32_t slot, Stream& stream, DecodeEnd how) {
  if (known_ && stream.division != 0) remember_division(slot, stream);
  // Where parts were skipped, items that are not there do not say why.
  if (how.skipped_seconds > 0) return end(slot, how);
  const double audio_seconds = how.decoded_seconds + how.gap_seconds;
  double missing_seconds = stream.gap_items * kItemSeconds;
  if (how.gap_seconds > 0) {  // it may be so near to the end that no item follows it
    const double heard_to = stream.delivered_items[0] * kItemSeconds + kItemSpanSeconds;
    missing_seconds += std::max(0.0, audio_seconds - heard_to);
  }
  how.gap_seconds = std::min(missing_seconds, audio_seconds);
  how.decoded_seconds = audio_seconds - how.gap_seconds;
  if (known_) remember(slot, stream, how);
  end(slot, how);
}

void WorkerHost::end(uint32_t slot, const DecodeEnd& how) {
  Stream& stream = streams_[slot];
  const uint64_t tag = memory_.control(slot).tag.load(std::memory_order_relaxed);
  const bool unwanted = is_unwanted(slot);
  const uint64_t division = stream.division;
  memory_.payload().slot(slot).closed_generation.store(stream.progress.generation,
                                                       std::memory_order_release);
  stream.progress.generation = 0;
  --live_streams_;
  cpu_.remove_stream(cpu_allowance());
  forget_recording(stream);
  count_caught_up(stream);
  memory_.streams.fetch_sub(1, std::memory_order_relaxed);
  memory_.ended_of_slot(slot).push(slot);
  if (stream.part.index == 0) counters_.ended.fetch_add(1, std::memory_order_relaxed);
  counters_.decoded_milliseconds.fetch_add(static_cast<uint64_t>(how.decoded_seconds * 1000),
                                           std::memory_order_relaxed);
  if (division != 0 && unwanted) {
    merger_.on_cancelled(division, stream.part);
  } else if (division != 0) {
    merger_.on_end(division, stream.part, how);
  } else if (!unwanted) {
    listener_.on_end(tag, how);
  }
}

void WorkerHost::check_stall(Clock::time_point now, std::chrono::milliseconds stall_max) {
  const uint64_t heartbeat =
      results_header(results_->data()).heartbeat.load(std::memory_order_relaxed);
  if (heartbeat != heartbeat_) {
    heartbeat_ = heartbeat;
    last_sign_ = now;
    ready_ = true;
  } else if (now - last_sign_ > (ready_ ? stall_max : kStartUpMax)) {
    condemn(Trust::kStalled);
  }
}

// A worker that is alive, but has nothing to say of a stream whose bytes are all there, may go
// round in circles in it; nobody but it would notice.
void WorkerHost::check_silence(Clock::time_point now, std::chrono::milliseconds silence_max) {
  for (uint32_t slot = 0; slot < streams_.size() && trust_ == Trust::kFull; ++slot) {
    Stream& stream = look_up(slot);
    constexpr uint32_t kOver = decode::Slot::kFinished | decode::Slot::kCancelled;
    const bool finished =
        memory_.payload().slot(slot).flags.load(std::memory_order_relaxed) & kOver;
    if (stream.progress.generation == 0 || !finished || stream.heard) {
      stream.heard = false;
      stream.last_heard = now;
    } else if (now - stream.last_heard > silence_max) {
      suspect_ = running_mark(slot, stream.progress.generation);
      condemn(Trust::kStalled);
    }
  }
}

// What is put off, nobody waits for.
void WorkerHost::count_waiting() {
  uint64_t bytes = 0;
  for (uint32_t slot = 0; slot < streams_.size(); ++slot) {
    const StreamProgress& progress = look_up(slot).progress;
    const bool put_off =
        memory_.payload().slot(slot).flags.load(std::memory_order_relaxed) & decode::Slot::kPutOff;
    if (progress.generation != 0 && !put_off) {
      bytes += progress.appended_bytes - progress.consumed_bytes;
    }
  }
  waiting_bytes_.store(bytes, std::memory_order_relaxed);
}

CpuTime WorkerHost::cpu_allowance() const {
  return CpuTime(memory_.payload().header().cpu_allowance_nanoseconds);
}

// An honest worker ends a stream that has had its CPU. This one is broken, or has been taken over
// and goes on beating its heart.
void WorkerHost::check_cpu() {
  drain();
  cpu_.earn(kCpuPerTick);
  if (trust_ == Trust::kFull && !cpu_.is_left()) condemn(Trust::kGreedy);
}

void WorkerHost::charge_cpu() {
  const CpuTime used = process_->cpu_used();
  cpu_.use(used - cpu_used_);
  cpu_used_ = used;
}

std::string WorkerHost::bury() {
  const std::string death = process_->reap();
  process_.reset();
  memory_.at_work.store(false, std::memory_order_relaxed);
  pid_.store(0, std::memory_order_relaxed);
  if (trust_ != Trust::kBroken) take_waiting();  // what it said before it died
  const bool stalled = trust_ == Trust::kStalled || trust_ == Trust::kGreedy;
  (stalled ? counters_.timeouts : counters_.crashes).fetch_add(1, std::memory_order_relaxed);
  // Those are the suspects, and must not be tried again.
  end_suspect(results_header(results_->data()).running.load(std::memory_order_relaxed));
  end_suspect(suspect_);
  restart_streams();
  if (known_) known_->forget_made_by(maker_);  // whatever it died of, it may have lied before
  return death;
}

void WorkerHost::end_suspect(uint64_t mark) {
  const uint32_t slot = static_cast<uint32_t>(mark) - 1;
  if (mark == 0 || slot >= streams_.size()) return;
  Stream& stream = look_up(slot);
  if (stream.progress.generation == 0 || mark != running_mark(slot, stream.progress.generation)) {
    return;
  }
  DecodeEnd how = stream.partial;
  how.outcome = outcome_of_suspect();
  end(slot, how);
}

DecodeOutcome WorkerHost::outcome_of_suspect() const {
  if (trust_ == Trust::kStalled) return DecodeOutcome::decoder_timeout;
  return trust_ == Trust::kGreedy ? DecodeOutcome::decoder_cpu : DecodeOutcome::decoder_crash;
}

void WorkerHost::restart_streams() {
  for (uint32_t slot = 0; slot < streams_.size(); ++slot) {
    Stream& stream = look_up(slot);
    if (stream.progress.generation == 0) continue;
    forget_progress(slot, stream);
    memory_.payload().slot(slot).packets_answer.store(0, std::memory_order_release);
    stream.heard = true;
    if (is_unwanted(slot) || ++stream.resumes > kResumesMax) {
      DecodeEnd how = stream.partial;
      how.outcome = DecodeOutcome::decoder_lost;
      end(slot, how);
    } else {
      counters_.resumed.fetch_add(1, std::memory_order_relaxed);
      // The next worker skips nothing of it, so it cannot know that it begins again.
      if (stream.progress.is_sparse && stream.progress.may_begin_again && is_all_kept(slot)) {
        begin_again(slot, stream);
      }
    }
  }
}

}  // namespace soundgate::decode
