#include "control/inspection/lcore_sink.h"

#include <algorithm>
#include <cassert>
#include <thread>

#include "control/inspection/stream_tag.h"

namespace soundgate {

namespace {

StreamCoding stream_coding(ContentCoding coding) {
  return coding == ContentCoding::kGzip ? StreamCoding::kGzip : StreamCoding::kDeflate;
}

}  // namespace

LcoreSink::LcoreSink(UploadChannel& channel, StreamProducer& producer, bool refused_blocks,
                     uint64_t seed, std::chrono::milliseconds patience)
    : channel_(channel),
      producer_(producer),
      refused_blocks_(refused_blocks),
      patience_(patience),
      ids_(seed) {}

// Whether an attempt succeeds, at once or while there is patience. Where waiting was in vain, what
// comes next waits for a little only, or a capture of a thousand uploads at a time took hours.
template <class Attempt>
bool LcoreSink::in_time(const Attempt& attempt) {
  constexpr int kLessPatience = 300;
  if (attempt()) return true;
  if (patience_.count() == 0) return false;
  const auto deadline =
      std::chrono::steady_clock::now() + (gave_up_ ? patience_ / kLessPatience : patience_);
  gave_up_ = true;
  while (gave_up_ && std::chrono::steady_clock::now() < deadline) {
    std::this_thread::sleep_for(std::chrono::milliseconds(1));
    gave_up_ = !attempt();
  }
  return !gave_up_;
}

void LcoreSink::fill(UploadSlot& slot, const UploadStart& start) {
  slot.key = start.key;
  slot.mode = start.mode;
  slot.first_byte = start.first_byte;
  slot.body_bytes = start.body_bytes;
  slot.upload_id = ids_.make(start.first_byte);
  slot.refused = false;
  slot.method = start.method;
  slot.host = start.host;
  slot.path = start.path;
  slot.client = start.client;
  slot.request_id = start.request_id;
  slot.uploader = start.uploader;
  slot.part = start.part;
  slot.file_name = start.file_name;
  slot.resource = start.resource;
  slot.bytes.store(0, std::memory_order_relaxed);
  slot.progress.store(0, std::memory_order_relaxed);
  slot.blocks.store(false, std::memory_order_relaxed);
}

// The ring has room for every event that all slots can have at a time.
void LcoreSink::announce(const UploadEvent& event) {
  [[maybe_unused]] const bool pushed = channel_.events.push(event);
  assert(pushed);
}

// Who can wait has no need of it.
Scarce LcoreSink::scarce() {
  if (patience_.count() > 0) return Scarce::kNothing;
  if (channel_.free_slots.size() <= kUploadSlotsPerLcore / kReserveShare) return Scarce::kPlaces;
  const StreamProducer::Room room = producer_.room();
  const size_t reserve = std::max<size_t>(room.all / kReserveShare, 1);
  return room.free <= reserve ? Scarce::kDecoders : Scarce::kNothing;
}

tl::expected<StreamHandle, DecodeOutcome> LcoreSink::begin_stream(const UploadStart& start,
                                                                  uint64_t tag) {
  tl::expected<StreamHandle, DecodeOutcome> handle =
      tl::unexpected(DecodeOutcome::decoder_overload);
  if (!start.may_decode) return handle;
  (void)in_time([&] {
    handle = start.coding == ContentCoding::kNone
                 ? producer_.begin(tag, start.body_bytes)
                 : producer_.begin_coded(tag, start.body_bytes, stream_coding(start.coding));
    return handle.has_value();
  });
  return handle;
}

SinkResult LcoreSink::begin(const UploadStart& start) {
  uint16_t index = 0;
  if (!in_time([&] { return channel_.free_slots.pop(index); })) {
    channel_.unrecorded.fetch_add(1, std::memory_order_relaxed);
    return SinkResult::kOverload;
  }
  UploadSlot& slot = channel_.slots[index];
  Stream& stream = streams_[index];
  fill(slot, start);
  const uint64_t tag = upload_tag(channel_.lcore_index, ++stream.use, index);
  slot.tag.store(tag, std::memory_order_release);
  open_.insert(start.key, index);

  const auto handle = begin_stream(start, tag);
  stream.handle = handle.value_or(StreamHandle{});
  stream.end_follows = handle.has_value();
  if (!handle) {
    slot.refused = true;
    slot.blocks.store(refused_blocks_, std::memory_order_relaxed);
    slot.progress.store(UploadSlot::kVerdictReady, std::memory_order_release);
  }
  announce({.kind = UploadEvent::Kind::kBegun, .slot_index = index});
  return handle ? SinkResult::kTaken : SinkResult::kEnough;
}

SinkResult LcoreSink::append(UploadKey key, std::span<const std::byte> body) {
  const uint16_t index = open_.find(key);
  if (index == KeyTable::kNone) return SinkResult::kEnough;
  UploadSlot& slot = channel_.slots[index];
  Stream& stream = streams_[index];
  slot.bytes.store(slot.bytes.load(std::memory_order_relaxed) + static_cast<int64_t>(body.size()),
                   std::memory_order_relaxed);
  if (stream.handle == StreamHandle{}) return SinkResult::kEnough;
  auto result = StreamProducer::Append::kFull;
  (void)in_time([&] {
    result = producer_.append(stream.handle, body);
    return result != StreamProducer::Append::kFull;
  });
  switch (result) {
    case StreamProducer::Append::kTaken:
      return SinkResult::kTaken;
    case StreamProducer::Append::kDone:
      return SinkResult::kEnough;
    case StreamProducer::Append::kFull:
      break;
  }
  // A verdict on less than the whole must never pass for one on the whole.
  slot.progress.fetch_or(UploadSlot::kAbandoned, std::memory_order_acq_rel);
  cancel(stream);
  return SinkResult::kOverload;
}

void LcoreSink::cancel(Stream& stream) {
  if (stream.handle != StreamHandle{}) producer_.cancel(stream.handle);
  stream.handle = StreamHandle{};
  stream.end_follows = false;
}

void LcoreSink::finish(UploadKey key, WallTime last_byte) {
  const uint16_t index = open_.find(key);
  if (index == KeyTable::kNone) return;
  Stream& stream = streams_[index];
  if (stream.handle != StreamHandle{}) producer_.finish(stream.handle);
  stream.handle = StreamHandle{};
  announce({.kind = UploadEvent::Kind::kFinished, .slot_index = index, .last_byte = last_byte});
  mark_finished(channel_.slots[index]);
}

void LcoreSink::mark_finished(UploadSlot& slot) {
  const uint8_t before = slot.progress.fetch_or(UploadSlot::kFinished, std::memory_order_acq_rel);
  const bool verdict_came_first = (before & UploadSlot::kVerdictReady) != 0;
  const bool abandoned = (before & UploadSlot::kAbandoned) != 0;
  if (verdict_came_first && !abandoned) own_decisions_.push(gate_decision(slot));
}

void LcoreSink::gate_closed(const GateReport& report) {
  const uint16_t index = open_.find(report.key);
  if (index == KeyTable::kNone) return;
  Stream& stream = streams_[index];
  if (stream.handle != StreamHandle{}) cancel(stream);  // it was not whole
  open_.erase(report.key);
  announce({.kind = UploadEvent::Kind::kClosed,
            .slot_index = index,
            .end_follows = stream.end_follows,
            .report = report});
}

size_t LcoreSink::poll_decisions(std::span<GateDecision> decisions) {
  size_t count = 0;
  while (count < decisions.size() && own_decisions_.pop(decisions[count])) ++count;
  while (count < decisions.size() && channel_.decisions.pop(decisions[count])) ++count;
  return count;
}

}  // namespace soundgate
