#include "fingerprint/decode/host/share.h"

#include <sys/mman.h>

#include <algorithm>
#include <cstring>
#include <string_view>

namespace soundgate::decode {

using Append = StreamProducer::Append;

namespace {

// What the items of the same bytes depend on: probes, and whether the bytes are inflated first.
uint64_t digested_settings(const StreamSettings& settings) {
  return settings.probes ^ uint64_t { static_cast<uint8_t>(settings.coding) } << 60;
}

}  // namespace

Share::Share(WorkerMemory& worker, uint32_t producer, std::optional<Known> known)
    : worker_(worker),
      payload_(worker.payload()),
      ended_(worker.ended(producer)),
      questions_(worker.questions(producer)),
      first_slot_(worker.partition(producer).first_slot),
      slots_(worker.partition(producer).slot_count),
      block_count_(worker.partition(producer).block_count),
      fresh_block_(worker.partition(producer).first_block),
      fresh_end_(fresh_block_ + block_count_),
      can_wait_(worker.partition(producer).can_wait),
      known_(known),
      digesters_(known ? slots_.size() : 0) {
  free_slots_.reserve(slots_.size());
  for (uint32_t slot = slots_end(); slot-- > first_slot_;) free_slots_.push_back(slot);
  free_blocks_.reserve(fresh_end_ - fresh_block_);
}

std::optional<Share::Stream> Share::begin(uint64_t tag, int64_t size_bytes,
                                          const StreamSettings& settings) {
  collect_ended();
  if (free_slots_.empty()) return std::nullopt;
  const uint32_t slot = free_slots_.back();
  free_slots_.pop_back();

  LocalSlot& ours = local(slot);
  const uint32_t generation = std::max(ours.generation + 1, 1u);
  ours = LocalSlot{.generation = generation, .live = true, .size_bytes = size_bytes};
  ours.plain = settings.are_plain();
  ours.is_part = settings.division_id != 0;
  ours.is_hashed = known_ && !ours.is_part;
  if (ours.is_hashed) {
    digesters_[slot - first_slot_].begin(known_->uploads.key(), digested_settings(settings),
                                         size_bytes);
  }
  SlotControl& control = worker_.control(slot);
  control.digests.prefix_count = 0;
  control.tag.store(tag, std::memory_order_relaxed);
  control.consumed_bytes.store(0, std::memory_order_relaxed);
  control.delivered_items.store(0, std::memory_order_relaxed);
  control.part.store(pack_division(settings.part), std::memory_order_relaxed);
  control.division.store(settings.division_id, std::memory_order_relaxed);

  Slot& shared = payload_.slot(slot);
  shared.flags.store(0, std::memory_order_relaxed);
  shared.appended_bytes.store(0, std::memory_order_relaxed);
  shared.evicted_end.store(kHeaderBlocks, std::memory_order_relaxed);
  shared.size_bytes.store(pack_size(size_bytes, settings.coding), std::memory_order_relaxed);
  shared.probes.store(settings.probes, std::memory_order_relaxed);
  shared.coverage.store(settings.coverage, std::memory_order_relaxed);
  shared.division.store(pack_division(settings.part), std::memory_order_relaxed);
  worker_.streams.fetch_add(1, std::memory_order_relaxed);
  shared.generation.store(generation, std::memory_order_release);
  return Stream{slot, generation};
}

Append Share::append(Stream stream, std::span<const std::byte> bytes) {
  collect_ended();
  LocalSlot* ours = find(stream);
  if (!ours || is_closed(*ours)) return Append::kDone;
  const uint64_t blocks_after =
      (ours->appended_bytes + bytes.size() + kBlockBytes - 1) / kBlockBytes;
  const Room room = make_room(stream.slot, blocks_after - ours->block_count());
  if (room == Room::kNone) {
    catch_up_all();
    refuse(stream.slot);
  }
  if (room != Room::kThere) {
    worker_.wake();
    return Append::kFull;
  }
  if (ours->flags & Slot::kNoRoom) set_flags(stream.slot, ours->flags & ~uint32_t{Slot::kNoRoom});
  copy(stream.slot, bytes);
  if ((ours->flags & Slot::kPutOff) && backlog_is_full(stream.slot)) catch_up(stream.slot);
  if (ours->flags & Slot::kPutOff) return Append::kTaken;  // nobody waits for it
  if (ours->appended_bytes - ours->woken_bytes >= wake_bytes(*ours)) {
    ours->woken_bytes = ours->appended_bytes;
    worker_.wake();
  }
  return Append::kTaken;
}

uint64_t Share::wake_bytes(const LocalSlot& ours) {
  const bool is_ending = ours.size_bytes >= 0 && ours.appended_bytes + kEndingBytesMax >=
                                                     static_cast<uint64_t>(ours.size_bytes);
  return is_ending ? kEndingWakeBytes : kWakeBytes;
}

void Share::copy(uint32_t slot, std::span<const std::byte> bytes) {
  LocalSlot& ours = local(slot);
  const std::span<uint32_t> table = payload_.table(slot);
  while (!bytes.empty()) {
    const size_t offset = ours.appended_bytes % kBlockBytes;
    uint32_t& block = table[payload_.geometry().table_index(ours.appended_bytes / kBlockBytes)];
    if (offset == 0) {
      block = free_blocks_.back();
      free_blocks_.pop_back();
    }
    size_t count = std::min(bytes.size(), kBlockBytes - offset);
    if (ours.is_hashed) {
      count = std::min(count, digesters_[slot - first_slot_].bytes_to_checkpoint());
    }
    std::memcpy(payload_.pool_block(block) + offset, bytes.data(), count);
    ours.appended_bytes += count;
    if (ours.is_hashed) digest(slot, bytes.first(count));
    bytes = bytes.subspan(count);
  }
  payload_.slot(slot).appended_bytes.store(ours.appended_bytes, std::memory_order_release);
}

// Each checkpoint is looked at for itself: a stream that is decoded already may turn out to be
// known.
void Share::digest(uint32_t slot, std::span<const std::byte> bytes) {
  const auto prefix = digesters_[slot - first_slot_].update(bytes);
  if (!prefix) return;
  exact::BodyDigests& digests = worker_.control(slot).digests;
  digests.prefixes[digests.prefix_count++] = *prefix;
  if (may_put_off(slot, known_->uploads.prefixes().find(*prefix))) {
    put_off(slot);
    // Who can wait for the end has no use for what would be heard so far.
    if (!can_wait_) ask(slot, *prefix, digests.prefix_count - 1);
  } else {
    catch_up(slot);
    make_others_let_go(slot);
  }
}

// Its backlog must neither take the room of others nor, where somebody waits for the end, be long
// to catch up with.
bool Share::may_put_off(uint32_t slot, exact::PrefixTable::Known prefix) const {
  using Prefix = exact::PrefixTable::Known;
  const LocalSlot& ours = local(slot);
  if (ours.is_part || prefix == Prefix::kNo || (prefix == Prefix::kLong && !can_wait_))
    return false;
  if (ours.size_bytes > static_cast<int64_t>(kPutOffBytesMax) || backlog_is_full(slot))
    return false;
  return is_roomy();
}

bool Share::is_roomy() const {
  const uint64_t unused = free_blocks_.size() + (fresh_end_ - fresh_block_);
  return unused * 2 >= block_count_ || available_blocks() * 2 >= block_count_;
}

// Before nothing is left: what is held back is neither free nor consumed, and may be most of all.
void Share::make_others_let_go(uint32_t slot) {
  if (is_roomy()) return;
  let_go(slot);
  if (available_blocks() * 4 < block_count_) catch_up_all();
}

// The worker may not hold back any more what it has not decoded, while it looks at the packets.
void Share::let_go(uint32_t slot) {
  const uint32_t flags = local(slot).flags;
  if (!(flags & (Slot::kFinished | Slot::kLetGo))) set_flags(slot, flags | Slot::kLetGo);
}

bool Share::backlog_is_full(uint32_t slot) const {
  const uint64_t consumed = worker_.control(slot).consumed_bytes.load(std::memory_order_acquire);
  const uint64_t bytes = local(slot).appended_bytes - consumed;
  return bytes > kPutOffBytesMax || bytes / kBlockBytes * 2 > payload_.geometry().circular_entries;
}

void Share::put_off(uint32_t slot) {
  if (local(slot).flags & Slot::kPutOff) return;
  local(slot).was_put_off = true;
  known_->counters.put_off.fetch_add(1, std::memory_order_relaxed);
  set_flags(slot, local(slot).flags | Slot::kPutOff);
}

void Share::catch_up(uint32_t slot) {
  if (!(local(slot).flags & Slot::kPutOff)) return;
  known_->counters.caught_up.fetch_add(1, std::memory_order_relaxed);
  set_flags(slot, local(slot).flags & ~uint32_t{Slot::kPutOff});
}

// Others need the room of what waits.
void Share::catch_up_all() {
  if (!known_) return;
  for (uint32_t slot = first_slot_; slot < slots_end(); ++slot) {
    if (!local(slot).live || (local(slot).flags & Slot::kFinished)) continue;
    catch_up(slot);  // (those that are finished have asked, and are told)
    let_go(slot);
  }
  worker_.wake();
}

// If it seems so it is put off until the collector has looked, however much of it is decoded.
bool Share::ask_whether_known(uint32_t slot) {
  if (!local(slot).is_hashed || local(slot).is_part) return false;
  const exact::Digest whole = digesters_[slot - first_slot_].digest();
  worker_.control(slot).digests.whole = whole;
  const LocalSlot& ours = local(slot);
  const bool is_whole =
      ours.size_bytes < 0 || static_cast<uint64_t>(ours.size_bytes) == ours.appended_bytes;
  if (!is_whole || known_->uploads.prefixes().find(whole) == exact::PrefixTable::Known::kNo) {
    return false;
  }
  put_off(slot);
  set_flags(slot, Slot::kFinished | Slot::kPutOff);
  return ask(slot, whole, std::nullopt);
}

bool Share::ask(uint32_t slot, const exact::Digest& digest, std::optional<uint32_t> checkpoint) {
  if (!questions_.push({slot, local(slot).generation, digest, checkpoint})) return false;
  worker_.doorbell().ring();
  return true;
}

void Share::finish(Stream stream) {
  collect_ended();
  LocalSlot* ours = find(stream);
  if (!ours || is_closed(*ours)) return;
  if (ask_whether_known(stream.slot)) return;
  catch_up(stream.slot);
  set_flags(stream.slot, Slot::kFinished);
  payload_.header().finish_sequence.fetch_add(1, std::memory_order_release);
  worker_.wake();
}

void Share::cancel(Stream stream) {
  collect_ended();
  LocalSlot* ours = find(stream);
  if (!ours || (ours->flags & Slot::kCancelled)) return;
  worker_.control(stream.slot)
      .cancelled_generation.store(stream.generation, std::memory_order_release);
  set_flags(stream.slot, ours->flags | Slot::kCancelled);
  worker_.wake();
}

size_t Share::free_stream_count() {
  collect_ended();
  return free_slots_.size();
}

Share::LocalSlot* Share::find(Stream stream) {
  if (stream.slot < first_slot_ || stream.slot >= slots_end()) return nullptr;
  LocalSlot& ours = local(stream.slot);
  return ours.live && ours.generation == stream.generation ? &ours : nullptr;
}

bool Share::is_closed(const LocalSlot& ours) const {
  return (ours.flags & (Slot::kFinished | Slot::kCancelled)) != 0;
}

void Share::collect_ended() {
  while (const std::optional<uint32_t> slot = ended_.pop()) {
    release_blocks(*slot);
    local(*slot).flags = 0;
    local(*slot).live = false;
    free_slots_.push_back(*slot);
  }
}

void Share::release_blocks(uint32_t slot) {
  const std::span<uint32_t> table = payload_.table(slot);
  const LocalSlot& ours = local(slot);
  for (uint64_t block = 0; block < ours.block_count(); ++block) {
    if (block == kHeaderBlocks) block = std::max<uint64_t>(block, ours.evicted_end);
    if (block >= ours.block_count()) break;
    free_blocks_.push_back(table[payload_.geometry().table_index(block)]);
  }
}

// Room is a free block for each new one, and an entry of the slot's table to name it.
Share::Room Share::make_room(uint32_t slot, uint64_t blocks) {
  const uint64_t entries = payload_.geometry().circular_entries;
  while (local(slot).block_count() + blocks > local(slot).evicted_end + entries) {
    const uint64_t evictable = evictable_blocks(slot);
    if (evictable == 0) return Room::kNone;
    evict(slot, std::min<uint64_t>(evictable, kEvictBlocksMax));
  }
  while (free_blocks_.size() < blocks) {
    const Room found = find_free_blocks(slot);
    if (found != Room::kThere) return found;
  }
  return Room::kThere;
}

// Touching memory for the first time is dear (a page fault costs more than decoding a page of MP3):
// first what has been used before.
Share::Room Share::find_free_blocks(uint32_t slot) {
  const uint64_t evictable = evictable_blocks(slot);
  if (evictable > kKeptBlocksMax) {
    evict(slot, std::min<uint64_t>(evictable - kKeptBlocksMax, kEvictBlocksMax));
    return Room::kThere;
  }
  if (must_wait(slot)) return Room::kLater;
  return touch_fresh_block() || evict_from_any() ? Room::kThere : Room::kNone;
}

bool Share::must_wait(uint32_t slot) const {
  const uint64_t consumed = worker_.control(slot).consumed_bytes.load(std::memory_order_acquire);
  // What has consumed nothing may be a format that needs its end first.
  if (local(slot).flags & Slot::kPutOff) return false;  // it would wait for itself
  return can_wait_ && consumed > 0 && local(slot).appended_bytes - consumed >= kPatientBytesMax;
}

bool Share::touch_fresh_block() {
  if (fresh_block_ == fresh_end_) return false;
  // All pages at once, instead of a fault for each; where the kernel does not know how, those come.
  ::madvise(payload_.pool_block(fresh_block_), kBlockBytes, MADV_POPULATE_WRITE);
  free_blocks_.push_back(fresh_block_++);
  return true;
}

bool Share::evict_from_any() {
  uint32_t victim = first_slot_;
  uint64_t most = 0, all = 0;
  for (uint32_t slot = first_slot_; slot < slots_end(); ++slot) {
    const uint64_t evictable = evictable_blocks(slot);
    all += evictable;
    if (evictable > most) {
      most = evictable;
      victim = slot;
    }
  }
  if (all * 4 < block_count_) catch_up_all();  // before nothing is left
  if (most == 0) return false;
  evict(victim, std::min<uint64_t>(most, kEvictBlocksMax));
  return true;
}

uint64_t Share::available_blocks() const {
  uint64_t blocks = free_blocks_.size() + (fresh_end_ - fresh_block_);
  for (uint32_t slot = first_slot_; slot < slots_end(); ++slot) blocks += evictable_blocks(slot);
  return blocks;
}

uint64_t Share::evictable_blocks(uint32_t slot) const {
  const LocalSlot& ours = local(slot);
  if (!ours.live) return 0;
  const uint64_t consumed_bytes =
      worker_.control(slot).consumed_bytes.load(std::memory_order_acquire);
  const uint64_t consumed = std::min(consumed_bytes, ours.kept_from) / kBlockBytes;
  return consumed > ours.evicted_end ? consumed - ours.evicted_end : 0;
}

// The worker learns that the blocks are gone before they are used again: it looks before it copies,
// and once more after that.
void Share::evict(uint32_t slot, uint64_t blocks) {
  LocalSlot& ours = local(slot);
  const std::span<uint32_t> table = payload_.table(slot);
  for (uint64_t i = 0; i < blocks; ++i) {
    free_blocks_.push_back(table[payload_.geometry().table_index(ours.evicted_end + i)]);
  }
  ours.evicted_end += blocks;
  payload_.slot(slot).evicted_end.exchange(ours.evicted_end);  // unlike a store, a full barrier
}

// What cannot go on without more bytes, and holds the most, would wait for itself for ever: the
// worker ends it. Everybody else only waits for the worker.
void Share::refuse(uint32_t slot) {
  const uint64_t kept = kept_blocks(slot);
  bool holds_most = true;
  for (uint32_t other = first_slot_; other < slots_end(); ++other) {
    holds_most &= !local(other).live || kept_blocks(other) <= kept;
  }
  if (holds_most) set_flags(slot, local(slot).flags | Slot::kNoRoom);
}

uint64_t Share::kept_blocks(uint32_t slot) const {
  const LocalSlot& ours = local(slot);
  return ours.block_count() - (ours.evicted_end - kHeaderBlocks);
}

// Formats whose times begin anew where two files were put one behind the other: their parts would
// not know where they are. (No more than a hint: whoever hides it has not all of it heard.)
bool Share::may_begin_anew(std::span<const std::byte> bytes) {
  constexpr size_t kTransportPacketBytes = 188;
  constexpr std::byte kTransportSync{0x47};
  const std::string_view text(reinterpret_cast<const char*>(bytes.data()), bytes.size());
  return text.starts_with("OggS") ||
         (bytes.size() > kTransportPacketBytes && bytes[0] == kTransportSync &&
          bytes[kTransportPacketBytes] == kTransportSync);
}

// One that was divided the last time is decoded by one worker this time, so that it is known the
// next time.
bool Share::may_be_divided(Stream stream, uint64_t burst_bytes) {
  LocalSlot* ours = find(stream);
  if (!ours || !ours->plain || ours->is_part || ours->was_put_off || can_wait_) return false;
  if (ours->appended_bytes < ours->divisible_from) return false;
  ours->divisible_from = ours->appended_bytes + kBlockBytes;
  if (may_begin_anew(bytes_at(stream, 0))) return false;
  const SlotControl& control = worker_.control(stream.slot);
  const uint64_t consumed = control.consumed_bytes.load(std::memory_order_acquire);
  if (ours->appended_bytes > kDividedBytesMax) return false;
  const uint64_t waiting = ours->appended_bytes - consumed;
  // What has consumed nothing may have packets that are looked at yet.
  const bool is_burst =
      waiting >= (ours->is_hashed && consumed == 0 ? 4 * burst_bytes : burst_bytes);
  if (!is_burst || ours->evicted_end > kHeaderBlocks ||
      control.held_generation.load(std::memory_order_acquire) == ours->generation) {
    return false;
  }
  const auto prefixes = control.digests.all_prefixes();
  return !ours->is_hashed || prefixes.empty() || !known_->uploads.was_divided(prefixes.back());
}

bool Share::can_help() {
  collect_ended();
  return worker_.at_work.load(std::memory_order_relaxed) && !free_slots_.empty() &&
         worker_.waiting_bytes() <= kFreeBacklogBytes && available_blocks() * 2 >= block_count_;
}

Share::Stream Share::begin_part(const Share& other, Stream whole, uint64_t division_id,
                                const Division& part) {
  const uint64_t tag = other.worker_.control(whole.slot).tag.load(std::memory_order_relaxed);
  return *begin(tag, other.local(whole.slot).size_bytes,
                {.division_id = division_id, .part = part});
}

// The collector knows before the worker: what the worker says from then on is a part.
void Share::become_part(Stream stream, uint64_t division_id, const Division& part) {
  local(stream.slot).is_part = true;
  local(stream.slot).kept_from = 0;
  SlotControl& control = worker_.control(stream.slot);
  control.part.store(pack_division(part), std::memory_order_relaxed);
  control.division.store(division_id, std::memory_order_release);
  payload_.slot(stream.slot).division.store(pack_division(part), std::memory_order_release);
}

uint16_t Share::period_at_work(Stream stream) const {
  const uint32_t items =
      worker_.control(stream.slot).delivered_items.load(std::memory_order_relaxed);
  return static_cast<uint16_t>(items / kDivisionItems);
}

std::span<const std::byte> Share::bytes_at(Stream stream, uint64_t position) const {
  const uint32_t block =
      payload_.table(stream.slot)[payload_.geometry().table_index(position / kBlockBytes)];
  const size_t offset = position % kBlockBytes;
  const uint64_t rest = local(stream.slot).appended_bytes - position;
  return {payload_.pool_block(block) + offset, std::min<uint64_t>(kBlockBytes - offset, rest)};
}

void Share::keep_from(Stream stream, uint64_t position) {
  if (LocalSlot* ours = find(stream)) ours->kept_from = position;
}

void Share::set_flags(uint32_t slot, uint32_t flags) {
  local(slot).flags = flags;
  payload_.slot(slot).flags.store(flags, std::memory_order_release);
}

}  // namespace soundgate::decode
