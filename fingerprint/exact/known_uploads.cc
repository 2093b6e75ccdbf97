#include "fingerprint/exact/known_uploads.h"

#include <cstring>
#include <utility>

namespace soundgate::exact {
namespace {

constexpr size_t kBytesPerPrefixWord = 512;

// Not how long it is said to be: some headers leave that to be reckoned from the announced size.
// Nor its container, which others have for the same packets.
bool same_end(const DecodeEnd& a, const DecodeEnd& b) {
  return a.decoded_seconds == b.decoded_seconds && std::strcmp(a.codec, b.codec) == 0;
}

}  // namespace

KnownUploads::KnownUploads(size_t bytes_max)
    : bytes_max_(bytes_max),
      table_(bytes_max / kBytesPerPrefixWord),
      divided_(bytes_max / kBytesPerPrefixWord / kCheckpointsMax) {}

size_t KnownUploads::bytes_of(const Entry& entry) {
  return entry.recording.bytes() + kEntryBytesMin;
}

bool KnownUploads::reserve(size_t bytes) {
  if (recording_bytes_ + bytes > bytes_max_ / kRecordingShareMax) return false;
  recording_bytes_ += bytes;
  return true;
}

const Recording* KnownUploads::find(const Digest& whole, Clock::time_point now) {
  const auto found = by_whole_.find(whole);
  return found == by_whole_.end() ? nullptr : serve(found->second, now);
}

const Recording* KnownUploads::serve(Entries::iterator entry, Clock::time_point now) {
  entries_.splice(entries_.begin(), entries_, entry);
  const bool stale = is_stale(*entry, now);
  // From the next one on none is put off, so that it need not be caught up with.
  if (stale || ++entry->served >= kServedMax) withdraw(*entry);
  return stale ? nullptr : &entry->recording;
}

const Recording* KnownUploads::find_prefix(const Digest& prefix, Clock::time_point now) {
  const auto found = by_prefix_.find(prefix);
  if (found == by_prefix_.end()) return nullptr;
  if (!is_stale(*found->second, now)) return &found->second->recording;
  withdraw(*found->second);  // what begins so need not be put off any more
  return nullptr;
}

bool KnownUploads::is_stale(const Entry& entry, Clock::time_point now) {
  return now - entry.confirmed > kConfirmAfter || entry.served >= kServedMax;
}

const Recording* KnownUploads::find_packets(const Digest& whole, uint64_t asker,
                                            Clock::time_point now) {
  const auto found = by_packets_.find(whole);
  if (found == by_packets_.end() || !is_believed_by_packets(*found->second, asker)) return nullptr;
  return serve(found->second, now);
}

const Recording* KnownUploads::find_packets_prefix(const Digest& prefix, uint64_t asker,
                                                   Clock::time_point now) const {
  const auto found = by_packets_prefix_.find(prefix);
  if (found == by_packets_prefix_.end()) return nullptr;
  const Entry& entry = *found->second;
  if (is_stale(entry, now) || !is_believed_by_packets(entry, asker)) return nullptr;
  return &entry.recording;
}

bool KnownUploads::is_believed_by_packets(const Entry& entry, uint64_t asker) {
  return entry.second_maker != 0 || entry.maker == asker;
}

KnownUploads::Remembered KnownUploads::remember(const BodyDigests& body,
                                                const std::optional<PacketDigests>& packets,
                                                Recording recording, uint64_t maker,
                                                Clock::time_point now) {
  if (const auto found = by_whole_.find(body.whole); found != by_whole_.end()) {
    return compare(found->second, packets, recording, maker, now);
  }
  if (packets) {
    const auto found = by_packets_.find(packets->whole);
    if (found != by_packets_.end()) return compare(found->second, packets, recording, maker, now);
  }
  if (recording.bytes() > recording_bytes_max()) return Remembered::kTooLarge;
  recording.shrink();
  entries_.push_front({body, packets, std::move(recording), maker, now});
  index(entries_.begin());
  publish(entries_.front());
  while (bytes() > bytes_max_) forget(std::prev(entries_.end()));
  return Remembered::kNew;
}

// The same bytes have the same packets, and the same packets the same items, also up to each
// checkpoint: a worker that says the truth of the whole may lie about its beginnings.
KnownUploads::Remembered KnownUploads::compare(Entries::iterator known,
                                               const std::optional<PacketDigests>& packets,
                                               const Recording& recording, uint64_t maker,
                                               Clock::time_point now) {
  // (Which are said of some files now and then only: those whose packets are more than their
  // bytes.)
  const bool both_have_packets = known->packets && packets;
  const bool same_packets = !both_have_packets || *packets == *known->packets;
  const bool same_items = known->recording.same_items(recording) &&
                          (!both_have_packets || known->recording.same_checkpoints(recording));
  if (!same_packets || !same_items || !same_end(known->recording.end, recording.end)) {
    // Nobody knows which of them is right; but two that agree are not put out by a third.
    if (known->second_maker == 0 || known->second_maker == maker || known->maker == maker) {
      forget(known);
    }
    return Remembered::kContradicted;
  }
  known->confirmed = now;
  known->served = 0;
  if (both_have_packets && maker != known->maker) {
    known->second_maker = maker;
    index_packet_prefixes(*known);
  }
  publish(*known);
  return Remembered::kConfirmed;
}

void KnownUploads::index(Entries::iterator entry) {
  by_whole_[entry->body.whole] = entry;
  for (const Digest& prefix : entry->body.all_prefixes()) by_prefix_[prefix] = &*entry;
  if (entry->packets) {
    by_packets_[entry->packets->whole] = entry;
    index_packet_prefixes(*entry);
  }
  count_.store(entries_.size(), std::memory_order_relaxed);
  bytes_.store(bytes() + bytes_of(*entry), std::memory_order_relaxed);
}

// A worker can say any prefix: what two have said does not give way to it.
void KnownUploads::index_packet_prefixes(const Entry& entry) {
  for (const Digest& prefix : entry.packets->all_prefixes()) {
    const Entry*& use = by_packets_prefix_[prefix];
    if (!use || use->second_maker == 0 || entry.second_maker != 0) use = &entry;
  }
}

void KnownUploads::forget_made_by(uint64_t maker) {
  for (auto entry = entries_.begin(); entry != entries_.end();) {
    const auto next = std::next(entry);
    if (entry->second_maker == maker) entry->second_maker = 0;
    if (entry->maker == maker) forget(entry);
    entry = next;
  }
}

void KnownUploads::forget_all() {
  while (!entries_.empty()) forget(entries_.begin());
}

void KnownUploads::forget(Entries::iterator entry) {
  const auto forget_prefixes = [&](auto& by_prefix, const BodyDigests& digests) {
    for (const Digest& prefix : digests.all_prefixes()) {
      const auto use = by_prefix.find(prefix);
      if (use != by_prefix.end() && use->second == &*entry) by_prefix.erase(use);
    }
  };
  withdraw(*entry);
  bytes_.store(bytes() - bytes_of(*entry), std::memory_order_relaxed);
  by_whole_.erase(entry->body.whole);
  forget_prefixes(by_prefix_, entry->body);
  if (entry->packets) {
    by_packets_.erase(entry->packets->whole);
    forget_prefixes(by_packets_prefix_, *entry->packets);
  }
  entries_.erase(entry);
  count_.store(entries_.size(), std::memory_order_relaxed);
}

// By each of its beginnings: the next one is looked at wherever it has come to.
void KnownUploads::note_divided(const BodyDigests& digests) {
  for (const Digest& prefix : digests.all_prefixes()) divided_.insert(prefix, false);
}

void KnownUploads::publish(const Entry& entry) {
  const bool is_long = entry.recording.end.duration_seconds > kLongSeconds;
  for (const Digest& prefix : entry.body.all_prefixes()) table_.insert(prefix, is_long);
  table_.insert(entry.body.whole, is_long);
}

// Others may begin with the same bytes, if nobody announced their sizes; they are put off later
// then, or not at all.
void KnownUploads::withdraw(const Entry& entry) {
  for (const Digest& prefix : entry.body.all_prefixes()) table_.erase(prefix);
  table_.erase(entry.body.whole);
}

}  // namespace soundgate::exact
