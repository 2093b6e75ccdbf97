#include "fingerprint/decode/host/divisions.h"

#include <algorithm>
#include <limits>

namespace soundgate::decode {

using Append = StreamProducer::Append;

Divisions::Divisions(std::deque<Share>& shares, PoolCounters& counters, uint64_t burst_bytes)
    : shares_(shares), counters_(counters), burst_bytes_(burst_bytes) {
  divided_.reserve(kDivisionsMax);
}

void Divisions::consider(const Placed& first) {
  if (burst_bytes_ == 0 || !share(first).may_be_divided(first.stream, burst_bytes_)) return;
  forget_ended();
  if (divided_.size() == kDivisionsMax) return;
  std::array<size_t, kPartsMax - 1> workers{};
  const size_t count = find_free_workers(first.worker, workers);
  if (count > 0) divide(first, std::span(workers).first(count));
}

size_t Divisions::find_free_workers(size_t busy, std::span<size_t> found) const {
  size_t count = 0;
  const size_t asked = std::min(shares_.size() - 1, kHelpersAskedMax);
  for (size_t i = 1; i <= asked && count < found.size(); ++i) {
    const size_t worker = (busy + i) % shares_.size();
    if (shares_[worker].can_help()) found[count++] = worker;
  }
  return count;
}

// The helpers have it before the first one knows, so that nothing is nobody's turn.
void Divisions::divide(const Placed& first, std::span<const size_t> workers) {
  Share& whole = share(first);
  Divided& divided = divided_.emplace_back(Divided{first, whole.appended_bytes(first.stream)});
  const auto count = static_cast<uint8_t>(workers.size() + 1);
  Division part{.count = count, .first_period = whole.period_at_work(first.stream)};
  // Unique as long as it is used: the slot has no other stream of this generation.
  const uint64_t id =
      uint64_t{first.stream.generation} << 32 | first.worker << 16 | (first.stream.slot + 1);
  for (const size_t worker : workers) {
    ++part.index;
    const Share::Stream stream = shares_[worker].begin_part(whole, first.stream, id, part);
    divided.helpers[divided.helper_count++] = {.placed = {worker, stream}};
  }
  whole.become_part(first.stream, id, Division{.index = 0, .count = count});
  counters_.divided.fetch_add(1, std::memory_order_relaxed);
}

Append Divisions::append(const Placed& first, std::span<const std::byte> bytes) {
  Divided& divided = *find(first);
  const Append taken = share(first).append(first.stream, bytes);
  if (taken == Append::kFull) return taken;
  if (taken == Append::kDone) return append_to_helpers(divided, bytes);
  divided.appended_bytes += bytes.size();
  uint64_t copied_bytes = std::numeric_limits<uint64_t>::max();
  for (Helper& helper : divided.all_helpers()) {
    catch_up(divided, helper, bytes.size() + kCopyBytesMax);
    if (helper.live) copied_bytes = std::min(copied_bytes, helper.copied_bytes);
  }
  share(first).keep_from(first.stream, copied_bytes);
  return taken;
}

// The first one has ended, at its end or before it, and its blocks are gone.
Append Divisions::append_to_helpers(Divided& divided, std::span<const std::byte> bytes) {
  Append all = Append::kDone;
  for (Helper& helper : divided.all_helpers()) {
    if (!helper.live) continue;
    const bool has_all = helper.copied_bytes == divided.appended_bytes;
    const Append taken =
        has_all ? share(helper.placed).append(helper.placed.stream, bytes) : Append::kFull;
    helper.live = taken != Append::kDone;
    if (taken == Append::kFull) drop(helper);
    if (taken != Append::kTaken) continue;
    helper.copied_bytes += bytes.size();
    all = taken;
  }
  divided.appended_bytes += bytes.size();
  return all;
}

// false: it has not got all.
bool Divisions::catch_up(const Divided& divided, Helper& helper, uint64_t bytes_max) {
  const uint64_t to = std::min(divided.appended_bytes, helper.copied_bytes + bytes_max);
  while (helper.live && helper.copied_bytes < to) {
    auto piece = share(divided.first).bytes_at(divided.first.stream, helper.copied_bytes);
    piece = piece.first(std::min<uint64_t>(piece.size(), to - helper.copied_bytes));
    const Append taken = share(helper.placed).append(helper.placed.stream, piece);
    if (taken == Append::kFull) drop(helper);
    if (!helper.live) return false;
    helper.live = taken == Append::kTaken;
    helper.copied_bytes += piece.size();
  }
  return helper.copied_bytes == divided.appended_bytes;
}

void Divisions::finish(const Placed& first) {
  Divided& divided = *find(first);
  const bool first_is_live = share(first).is_live(first.stream);
  for (Helper& helper : divided.all_helpers()) {
    if (!helper.live) continue;
    const bool has_all = first_is_live ? catch_up(divided, helper, divided.appended_bytes)
                                       : helper.copied_bytes == divided.appended_bytes;
    has_all ? share(helper.placed).finish(helper.placed.stream) : drop(helper);
  }
  share(first).keep_from(first.stream, std::numeric_limits<uint64_t>::max());
  share(first).finish(first.stream);
}

void Divisions::cancel(const Placed& first) {
  for (Helper& helper : find(first)->all_helpers()) drop(helper);
  share(first).cancel(first.stream);
}

void Divisions::drop(Helper& helper) {
  share(helper.placed).cancel(helper.placed.stream);
  helper.live = false;
}

Divisions::Divided* Divisions::find(const Placed& first) {
  for (Divided& divided : divided_) {
    if (divided.first == first) return &divided;
  }
  return nullptr;
}

void Divisions::forget_ended() {
  std::erase_if(divided_, [this](Divided& divided) {
    return !share(divided.first).is_live(divided.first.stream) &&
           std::ranges::none_of(divided.all_helpers(), [this](const Helper& helper) {
             return share(helper.placed).is_live(helper.placed.stream);
           });
  });
}

}  // namespace soundgate::decode
