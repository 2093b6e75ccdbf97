#include "fingerprint/decode/worker/stream_task.h"

#include <algorithm>
#include <boost/context/protected_fixedsize_stack.hpp>
#include <cstring>
#include <memory>
#include <utility>

namespace soundgate::decode {

StreamTask::StreamTask(const PayloadView& payload, ResultsWriter& results, uint32_t slot,
                       uint32_t generation, const StreamBody& body)
    : payload_(payload),
      results_(results),
      source_(payload, slot, generation),
      slot_(slot),
      generation_(generation),
      cpu_(CpuTime(payload.header().cpu_allowance_nanoseconds)),
      fiber_(std::allocator_arg, boost::context::protected_fixedsize_stack(kFiberStackBytes),
             [this, &body](boost::context::fiber&& scheduler) {
               scheduler_ = std::move(scheduler);
               push_end(body(*this));
               return std::move(scheduler_);
             }) {}

// What comes while it waits for something further on is consumed as it comes, or its producer would
// run out of room.
bool StreamTask::can_run() {
  if (source_.is_put_off()) return false;
  if (wants_room_) return results_.has_room(kProbeEntriesMax);
  if (asks_) return packets_answer(*asks_) != Answer::kNone;
  if (!waiting_ || must_let_go()) return true;
  report_consumed();
  return !must_wait(source_.state_at(wanted_));
}

// A producer without room is no reason to give up for a stream that has consumed what it has: the
// blocks of its neighbours come free one day. But its own, which it still needs, would not.
// (Not consumed_: more may have been appended since that was reckoned.)
bool StreamTask::must_wait(ByteSource::State state) const {
  return state == ByteSource::State::kNotYet ||
         (state == ByteSource::State::kNoRoom &&
          needed_from_ + kBlockBytes >= source_.appended_bytes());
}

bool StreamTask::run(std::chrono::microseconds slice) {
  waiting_ = false;
  wants_room_ = false;
  slice_end_ = std::chrono::steady_clock::now() + slice;
  finish_sequence_ = payload_.header().finish_sequence.load(std::memory_order_relaxed);
  results_.beat();
  results_.set_running(running_mark(slot_, generation_));
  const CpuTime before = cpu_time(CLOCK_THREAD_CPUTIME_ID);
  fiber_ = std::move(fiber_).resume();
  cpu_.use(cpu_time(CLOCK_THREAD_CPUTIME_ID) - before);
  results_.set_running(0);
  return static_cast<bool>(fiber_);
}

uint64_t StreamTask::rest_bytes() const {
  return source_.appended_bytes() - std::min(read_to_, source_.appended_bytes());
}

void StreamTask::wait_at(uint64_t position) {
  waiting_ = true;
  wanted_ = position;
  scheduler_ = std::move(scheduler_).resume();
}

void StreamTask::wait_for_room() {
  while (!results_.has_room(kProbeEntriesMax)) {
    wants_room_ = true;
    scheduler_ = std::move(scheduler_).resume();
  }
}

ByteSource::Result StreamTask::read(uint64_t position, std::span<uint8_t> to) {
  checkpoint();
  for (;;) {
    if (must_let_go()) return {ByteSource::State::kStopped, 0};
    const ByteSource::Result result = source_.read(position, to);
    const bool ends = result.state == ByteSource::State::kEnd;
    read_to_ = position + result.bytes;
    seen_to_ = ends ? kReadAll * kBlockBytes : std::max(seen_to_, read_to_);
    if (!must_wait(result.state)) return result;
    wait_at(position);
  }
}

// A stream that has just been finished goes first.
void StreamTask::checkpoint() {
  results_.beat();
  const uint32_t finish_sequence =
      payload_.header().finish_sequence.load(std::memory_order_relaxed);
  if (finish_sequence == finish_sequence_ && std::chrono::steady_clock::now() < slice_end_) return;
  scheduler_ = std::move(scheduler_).resume();
}

void StreamTask::consumed(uint64_t position) {
  if (held_bytes_max_) {
    held_to_ = std::max(held_to_, position);
    return;
  }
  needed_from_ = std::max(needed_from_, position);
  report_consumed();
}

const exact::DigestKey* StreamTask::packets_key() const {
  const PayloadHeader& header = payload_.header();
  return header.remembers_packets ? &header.packets_key : nullptr;
}

void StreamTask::let_go() {
  held_bytes_max_.reset();
  held_to_ = 0;
  read_to_ = seen_to_ = 0;
}

// As for one that is put off by its producer.
uint64_t StreamTask::held_bytes_max() const {
  return std::min(kPutOffBytesMax, payload_.geometry().circular_entries / 2 * kBlockBytes);
}

bool StreamTask::must_let_go() const {
  return held_bytes_max_ && (held_to_ > *held_bytes_max_ || source_.must_let_go());
}

void StreamTask::ask_packets(const ResultPackets& digest) {
  ResultEntry question = entry(ResultKind::kPacketsAsked);
  question.packets = digest;
  report(question, 0);
  results_.notify();  // somebody waits for the answer
}

StreamContext::Answer StreamTask::packets_answer(uint32_t checkpoint) const {
  const uint64_t answer = source_.packets_answer();
  if (is_unknown(answer, generation_)) return Answer::kUnknown;
  if (is_answered(answer, generation_, checkpoint)) return Answer::kKnown;
  return source_.is_dropped() ? Answer::kUnknown : Answer::kNone;
}

StreamContext::Answer StreamTask::await_packets_answer(uint32_t checkpoint) {
  asks_ = checkpoint;
  while (packets_answer(checkpoint) == Answer::kNone) {
    scheduler_ = std::move(scheduler_).resume();
  }
  asks_.reset();
  return packets_answer(checkpoint);
}

void StreamTask::say_packets(const ResultPackets& digest) {
  ResultEntry said = entry(ResultKind::kPacketsSaid);
  said.packets = digest;
  report(said, 0);
}

void StreamTask::report_consumed() {
  consumed_ = std::min(needed_from_, source_.appended_bytes());
  if (consumed_ - reported_ < kBlockBytes) return;
  report(entry(ResultKind::kProgress), 0);
}

void StreamTask::report(const ResultEntry& entry, uint32_t plain_items) {
  cpu_.earn(consumed_ - reported_, plain_items);
  results_.push(entry);
  reported_ = consumed_;
}

void StreamTask::emit(int view, uint32_t first_item, std::span<const Item> items) {
  while (!items.empty()) {
    const size_t count = std::min<size_t>(items.size(), kItemsPerEntry);
    ResultEntry next = entry(ResultKind::kItems);
    next.view = view;
    next.first_item = first_item;
    next.item_count = static_cast<uint32_t>(count);
    std::copy_n(items.begin(), count, next.items);
    if (is_probe(view)) wait_for_room();
    report(next, view == kPlainView ? next.item_count : 0);
    first_item += static_cast<uint32_t>(count);
    items = items.subspan(count);
  }
}

void StreamTask::begin_again() { report(entry(ResultKind::kAgain), 0); }

ResultEntry StreamTask::entry(ResultKind kind) const {
  ResultEntry entry{};
  entry.kind = kind;
  entry.slot = slot_;
  entry.generation = generation_;
  entry.consumed_bytes = consumed_;
  const uint64_t read_blocks = (seen_to_ + kBlockBytes - 1) / kBlockBytes;
  entry.read_blocks = static_cast<uint16_t>(std::min<uint64_t>(read_blocks, kReadAll));
  return entry;
}

ResultEntry StreamTask::dropped(uint32_t slot, uint32_t generation) {
  ResultEntry last{};
  last.kind = ResultKind::kEnded;
  last.slot = slot;
  last.generation = generation;
  last.end.outcome = static_cast<uint32_t>(DecodeOutcome::decoder_lost);
  return last;
}

void StreamTask::push_end(const ResultEnd& end) {
  ResultEntry last = entry(ResultKind::kEnded);
  last.end = end;
  results_.push(last);
}

}  // namespace soundgate::decode
