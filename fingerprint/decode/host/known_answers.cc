// What a WorkerHost makes of what is known: answers to questions about bytes, what a listener is
// told from memory, and what is remembered of a stream that was decoded whole.

#include <algorithm>
#include <utility>

#include "fingerprint/decode/host/worker_host.h"

namespace soundgate::decode {

void WorkerHost::answer_questions(Clock::time_point now) {
  memory_.doorbell().answer();
  for (uint32_t producer = 0; producer < memory_.producer_count(); ++producer) {
    while (const auto question = memory_.questions(producer).pop()) answer(*question, now);
  }
}

void WorkerHost::answer(const Question& question, Clock::time_point now) {
  const uint32_t slot = question.slot;
  Stream& stream = look_up(slot);
  if (stream.progress.generation != question.generation) return;  // it has ended meanwhile
  if (is_unwanted(slot)) return;
  if (question.checkpoint) {
    const auto* recording = known_->find_prefix(question.digest, now);
    const uint64_t blocks = exact::checkpoint_bytes(*question.checkpoint) / kBlockBytes;
    if (recording && !tell_known(slot, stream, *recording, {.blocks = blocks})) {
      drop_contradicted(slot, stream);
    }
    return;
  }
  Slot& shared = memory_.payload().slot(slot);
  if (const auto* recording = known_->find(question.digest, now)) {
    settle(slot, stream, *recording, recording->end);
    shared.settled_generation.store(question.generation, std::memory_order_release);
  } else {
    counters_.caught_up.fetch_add(1, std::memory_order_relaxed);
    shared.catch_up_generation.store(question.generation, std::memory_order_release);
    memory_.payload().header().finish_sequence.fetch_add(1, std::memory_order_release);
  }
  memory_.wake();
}

// What its listener would have heard by now, if it had been decoded.
bool WorkerHost::tell_known(uint32_t slot, Stream& stream, const exact::Recording& recording,
                            const Extent& extent) {
  bool agrees = true;
  recording.replay([&](const exact::Recording::Run& run, std::span<const Item> items) {
    if (!agrees || run.read_blocks > extent.blocks || run.checkpoint > extent.checkpoint) return;
    if (!is_probe(run.view)) {
      std::vector<Item>& told = stream.told[static_cast<size_t>(band_of(run.view))];
      if (run.first_item == told.size()) told.insert(told.end(), items.begin(), items.end());
      agrees = run.first_item + items.size() <= told.size() &&
               std::ranges::equal(items, std::span(told).subspan(run.first_item, items.size()));
    }
    if (agrees) tell(slot, stream, run.view, run.first_item, items);
  });
  return agrees;
}

// What was told of a body by its beginning, and is decoded after all, must be the same.
bool WorkerHost::contradicts(const Stream& stream, const ItemsResult& result) {
  // (Where parts are missing or skipped, items at their borders may differ.)
  if (is_probe(result.view) || stream.settled || stream.resumes > 0 || stream.progress.is_sparse) {
    return false;
  }
  const std::vector<Item>& told = stream.told[static_cast<size_t>(band_of(result.view))];
  if (result.first_item >= told.size()) return false;
  const auto both = std::span(told).subspan(result.first_item);
  const size_t count = std::min(both.size(), result.items.size());
  return !std::ranges::equal(both.first(count), result.items.first(count));
}

// One of two workers lies, and nobody knows which, nor how often: what is known is not believed any
// more, and what its listener heard of this stream neither.
void WorkerHost::drop_contradicted(uint32_t slot, Stream& stream) {
  counters_.contradicted.fetch_add(1, std::memory_order_relaxed);
  known_->forget_all();
  listener_.on_trouble("what was told of known bytes is not what they were decoded to");
  stream.settled = true;
  DecodeEnd how = stream.partial;
  how.outcome = DecodeOutcome::decoder_lost;
  listener_.on_end(memory_.control(slot).tag.load(std::memory_order_relaxed), how);
  memory_.payload().slot(slot).settled_generation.store(stream.progress.generation,
                                                        std::memory_order_release);
  memory_.wake();
}

// The worker has only to drop it.
bool WorkerHost::settle(uint32_t slot, Stream& stream, const exact::Recording& recording,
                        const DecodeEnd& how) {
  if (stream.gap_items > 0) void_heard(slot, stream);  // what was gone past is known now, too
  if (!tell_known(slot, stream, recording, {})) {
    drop_contradicted(slot, stream);
    return false;
  }
  stream.settled = true;
  counters_.recognised.fetch_add(1, std::memory_order_relaxed);
  if (how.exact_packets) counters_.recognised_by_packets.fetch_add(1, std::memory_order_relaxed);
  DecodeEnd end = how;
  end.exact = true;
  listener_.on_end(memory_.control(slot).tag.load(std::memory_order_relaxed), end);
  return true;
}

void WorkerHost::record(Stream& stream, const ItemsResult& result) {
  if (stream.unrecorded) return;
  exact::Recording& recording = stream.recording;
  const size_t bytes = exact::Recording::bytes_of_run(result.items.size());
  stream.unrecorded =
      recording.bytes() + bytes > known_->recording_bytes_max() || !known_->reserve(bytes);
  if (stream.unrecorded) return forget_recording(stream);
  recording.append(result.view, result.first_item, result.items, result.read_blocks,
                   std::min(stream.progress.next_packets_said, kAllPackets));
}

void WorkerHost::forget_recording(Stream& stream) {
  if (known_) known_->release(stream.recording.bytes());
  stream.recording = {};
}

// Only what one worker decoded whole, from its first byte to its last.
void WorkerHost::remember(uint32_t slot, Stream& stream, const DecodeEnd& end) {
  if (!is_whole(slot) || is_unwanted(slot) || stream.resumes > 0 || stream.unrecorded) return;
  if (!has_its_probes(stream)) return;
  if (end.outcome != DecodeOutcome::decoded || end.gap_seconds > 0) return;
  stream.recording.end = end;
  known_->release(stream.recording.bytes());
  using Remembered = exact::KnownUploads::Remembered;
  std::optional<exact::PacketDigests> packets;
  if (stream.packets_are_all_said) packets = stream.packets;
  const Remembered remembered = known_->remember(memory_.control(slot).digests, packets,
                                                 std::move(stream.recording), maker_, Clock::now());
  if (remembered == Remembered::kConfirmed) {
    counters_.confirmed.fetch_add(1, std::memory_order_relaxed);
  }
  if (remembered != Remembered::kContradicted) return;
  counters_.contradicted.fetch_add(1, std::memory_order_relaxed);
  listener_.on_trouble("the same bytes were decoded once more, and gave other items");
}

// Its digests are whole once it is finished; the other parts have none.
void WorkerHost::remember_division(uint32_t slot, const Stream& stream) {
  const Slot& shared = memory_.payload().slot(slot);
  const bool finished = shared.flags.load(std::memory_order_acquire) & Slot::kFinished;
  if (finished && stream.part.index == 0) known_->note_divided(memory_.control(slot).digests);
}

// All bytes are there, as many as were announced.
bool WorkerHost::is_whole(uint32_t slot) const {
  const Slot& shared = memory_.payload().slot(slot);
  const bool finished = shared.flags.load(std::memory_order_acquire) & Slot::kFinished;
  const int64_t announced = shared.size_bytes.load(std::memory_order_relaxed);
  const uint64_t appended = shared.appended_bytes.load(std::memory_order_relaxed);
  return finished && (announced < 0 || static_cast<uint64_t>(announced) == appended);
}

// A worker without memory for them does without, and says nothing. (The first stretch is whole.)
bool WorkerHost::has_its_probes(const Stream& stream) {
  for (int step = 1; step <= stream.progress.probe_step_max; ++step) {
    if (stream.progress.next_item[step] == 0 || stream.progress.next_item[-step] == 0) return false;
  }
  return true;
}

}  // namespace soundgate::decode
