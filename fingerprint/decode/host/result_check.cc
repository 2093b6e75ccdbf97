#include "fingerprint/decode/host/result_check.h"

#include <cmath>

#include "fingerprint/decode/shared/outcome_count.h"

namespace soundgate::decode {
namespace {

bool is_time(double seconds) {
  return std::isfinite(seconds) && seconds >= 0 && seconds <= kResultSecondsMax;
}

// A worker cannot see its own death, and does not admit streams.
bool is_workers_to_say(DecodeOutcome outcome) {
  return outcome != DecodeOutcome::decoder_crash && outcome != DecodeOutcome::decoder_timeout &&
         outcome != DecodeOutcome::decoder_overload;
}

// Lower-case words and digits; anything else is cut off.
void copy_name(const char (&from)[16], std::span<char, 16> to) {
  for (size_t i = 0; i + 1 < sizeof from; ++i) {
    const char c = from[i];
    if (!((c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '_')) return;
    to[i] = c;
  }
}

// As much audio is more items when it is stretched.
uint64_t items_max(const StreamProgress& stream, int view) {
  if (!is_probe(view)) return stream.items_max;
  return static_cast<uint64_t>(std::ceil(stream.items_max * probe_speed(step_of(view))));
}

tl::expected<CheckedResult, ResultFault> check_items(const ResultEntry& entry,
                                                     const StreamProgress& stream) {
  if (entry.item_count == 0 || entry.item_count > kItemsPerEntry) {
    return tl::unexpected(ResultFault::kCount);
  }
  const int view = entry.view;
  if (!is_view(view) || std::abs(step_of(view)) > stream.probe_step_max)
    return tl::unexpected(ResultFault::kView);
  const uint64_t end = uint64_t{entry.first_item} + entry.item_count;
  if (entry.first_item < stream.next_item[view] || end > items_max(stream, view)) {
    return tl::unexpected(ResultFault::kOrder);
  }
  if (entry.read_blocks == 0 || entry.read_blocks < stream.read_blocks) {
    return tl::unexpected(ResultFault::kConsumed);
  }
  return ItemsResult{view, entry.first_item, {entry.items, entry.item_count}, entry.read_blocks};
}

tl::expected<CheckedResult, ResultFault> check_end(const ResultEnd& said,
                                                   const StreamProgress& stream) {
  if (said.outcome >= kOutcomeCount) return tl::unexpected(ResultFault::kOutcome);
  DecodeEnd end;
  end.outcome = static_cast<DecodeOutcome>(said.outcome);
  if (!is_workers_to_say(end.outcome)) return tl::unexpected(ResultFault::kOutcome);
  if (!is_time(said.decoded_seconds) || !is_time(said.gap_seconds) ||
      !is_time(said.duration_seconds) || !is_time(said.skipped_seconds) ||
      (said.skipped_seconds > 0 && !stream.is_sparse)) {
    return tl::unexpected(ResultFault::kSeconds);
  }
  end.decoded_seconds = said.decoded_seconds;
  end.gap_seconds = said.gap_seconds;
  end.skipped_seconds = said.skipped_seconds;
  end.duration_seconds = said.duration_seconds;
  copy_name(said.format, end.format);
  copy_name(said.codec, end.codec);
  return end;
}

// Asked before anything is decoded, at checkpoints in order; said at each of them while it is.
bool is_in_order(const ResultEntry& entry, const StreamProgress& stream) {
  const uint32_t checkpoint = entry.packets.checkpoint;
  if (checkpoint > kAllPackets) return false;
  if (entry.kind == ResultKind::kPacketsAsked) {
    return checkpoint >= stream.next_packets_asked && stream.next_packets_said == 0 &&
           stream.next_item == PerView<uint32_t>();
  }
  return checkpoint == stream.next_packets_said ||
         (checkpoint == kAllPackets && stream.next_packets_said < kAllPackets);
}

tl::expected<CheckedResult, ResultFault> check_packets(const ResultEntry& entry,
                                                       const StreamProgress& stream) {
  const ResultPackets& said = entry.packets;
  if (!stream.remembers_packets || !is_in_order(entry, stream)) {
    return tl::unexpected(ResultFault::kPackets);
  }
  const bool is_there = said.checkpoint == kAllPackets
                            ? stream.is_finished
                            : exact::checkpoint_bytes(said.checkpoint) <= stream.appended_bytes;
  if (!is_there) return tl::unexpected(ResultFault::kPackets);
  if (!is_time(said.promised_seconds)) return tl::unexpected(ResultFault::kSeconds);
  PacketsResult result{.is_asked = entry.kind == ResultKind::kPacketsAsked,
                       .checkpoint = said.checkpoint,
                       .digest = said.digest,
                       .promised_seconds = said.promised_seconds,
                       .format = {}};
  copy_name(said.format, result.format);
  return result;
}

}  // namespace

tl::expected<CheckedResult, ResultFault> check_result(const ResultEntry& entry,
                                                      const StreamProgress& stream) {
  if (stream.generation == 0 || entry.generation != stream.generation) {
    return tl::unexpected(ResultFault::kGeneration);
  }
  if (entry.consumed_bytes < stream.consumed_bytes ||
      entry.consumed_bytes > stream.appended_bytes) {
    return tl::unexpected(ResultFault::kConsumed);
  }
  switch (entry.kind) {
    case ResultKind::kItems:
      return check_items(entry, stream);
    case ResultKind::kProgress:
      if (entry.consumed_bytes > stream.consumed_bytes) return ProgressResult{};
      return tl::unexpected(ResultFault::kConsumed);
    case ResultKind::kEnded:
      return check_end(entry.end, stream);
    case ResultKind::kPacketsAsked:
    case ResultKind::kPacketsSaid:
      return check_packets(entry, stream);
    case ResultKind::kAgain:
      if (stream.is_sparse && stream.may_begin_again) return AgainResult{};
      return tl::unexpected(ResultFault::kAgain);
  }
  return tl::unexpected(ResultFault::kKind);
}

}  // namespace soundgate::decode
