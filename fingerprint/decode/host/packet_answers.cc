// What a WorkerHost makes of the digests of packets that its worker says: answers to whether they
// are known, and what is remembered of those that are decoded.

#include <algorithm>

#include "fingerprint/decode/host/worker_host.h"
#include "fingerprint/decode/shared/packets_answer.h"
#include "fingerprint/decode/shared/truncation.h"

namespace soundgate::decode {

void WorkerHost::take_packets(uint32_t slot, Stream& stream, const PacketsResult& packets) {
  if (!packets.is_asked) {
    stream.progress.next_packets_said = packets.checkpoint + 1;
    if (packets.checkpoint == kAllPackets) {
      stream.packets.whole = packets.digest;
      stream.packets_are_all_said = true;
    } else {
      stream.packets.prefixes[stream.packets.prefix_count++] = packets.digest;
    }
    return;
  }
  stream.progress.next_packets_asked = packets.checkpoint + 1;
  const bool known = !is_unwanted(slot) && answer_packets(slot, stream, packets);
  const uint32_t generation = stream.progress.generation;
  Slot& shared = memory_.payload().slot(slot);
  shared.packets_answer.store(packets_answer(generation, packets.checkpoint, known),
                              std::memory_order_release);
  if (known && packets.checkpoint == kAllPackets) {
    shared.settled_generation.store(generation, std::memory_order_release);
  }
  memory_.wake();
}

// Whether they are known; its listener hears what that means.
bool WorkerHost::answer_packets(uint32_t slot, Stream& stream, const PacketsResult& asked) {
  const Clock::time_point now = Clock::now();
  const bool is_all = asked.checkpoint == kAllPackets;
  if (stream.division != 0) return false;
  if (is_all && !is_whole(slot)) return false;
  const exact::Recording* recording = is_all
                                          ? known_->find_packets(asked.digest, maker_, now)
                                          : known_->find_packets_prefix(asked.digest, maker_, now);
  if (!recording || !may_put_off(slot, asked, recording->end)) return false;
  if (is_all) {
    DecodeEnd end = recording->end;
    end.exact_packets = true;
    end.duration_seconds = std::max(end.decoded_seconds, asked.promised_seconds);
    std::ranges::copy(asked.format, end.format);
    return settle(slot, stream, *recording, end);
  }
  if (!stream.packets_put_off) counters_.packets_put_off.fetch_add(1, std::memory_order_relaxed);
  stream.packets_put_off = true;
  memory_.control(slot).held_generation.store(stream.progress.generation,
                                              std::memory_order_release);
  if (memory_.partition_of_slot(slot).can_wait) return true;
  if (tell_known(slot, stream, *recording, {.checkpoint = asked.checkpoint})) return true;
  drop_contradicted(slot, stream);
  return false;
}

// As share.cc does for those whose bytes are known. What promises more than there is would not be
// `decoded`.
bool WorkerHost::may_put_off(uint32_t slot, const PacketsResult& asked,
                             const DecodeEnd& known) const {
  const Slot& shared = memory_.payload().slot(slot);
  if (falls_short(known.decoded_seconds, asked.promised_seconds)) return false;
  if (asked.checkpoint == kAllPackets) return true;
  if (known.duration_seconds > exact::kLongSeconds && !memory_.partition_of_slot(slot).can_wait) {
    return false;
  }
  return shared.size_bytes.load(std::memory_order_relaxed) <=
             static_cast<int64_t>(kPutOffBytesMax) &&
         !(shared.flags.load(std::memory_order_acquire) & Slot::kLetGo);
}

void WorkerHost::count_caught_up(const Stream& stream) {
  if (!stream.packets_put_off || stream.settled) return;
  counters_.packets_caught_up.fetch_add(1, std::memory_order_relaxed);
}

}  // namespace soundgate::decode
