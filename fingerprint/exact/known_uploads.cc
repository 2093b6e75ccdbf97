#include "fingerprint/exact/known_uploads.h"

#include <cstring>
#include <utility>

namespace soundgate::exact {
namespace {

constexpr size_t kBytesPerPrefixWord = 512;

// Not how long it is said to be: some headers leave that to be reckoned from the announced size.
bool same_end(const DecodeEnd& a, const DecodeEnd& b) {
  return a.decoded_seconds == b.decoded_seconds && std::strcmp(a.format, b.format) == 0 &&
         std::strcmp(a.codec, b.codec) == 0;
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
  if (found == by_whole_.end()) return nullptr;
  Entry& entry = *found->second;
  entries_.splice(entries_.begin(), entries_, found->second);
  const bool stale = is_stale(entry, now);
  // From the next one on none is put off, so that it need not be caught up with.
  if (stale || ++entry.served >= kServedMax) withdraw(entry);
  return stale ? nullptr : &entry.recording;
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

KnownUploads::Remembered KnownUploads::remember(const BodyDigests& digests, Recording recording,
                                                uint64_t maker, Clock::time_point now) {
  if (const auto found = by_whole_.find(digests.whole); found != by_whole_.end()) {
    Entry& known = *found->second;
    if (!known.recording.same_items(recording) || !same_end(known.recording.end, recording.end)) {
      forget(found->second);  // nobody knows which of them is right
      return Remembered::kContradicted;
    }
    known.confirmed = now;
    known.served = 0;
    publish(known);
    return Remembered::kConfirmed;
  }
  if (recording.bytes() > recording_bytes_max()) return Remembered::kTooLarge;
  recording.shrink();
  entries_.push_front({digests, std::move(recording), maker, now});
  by_whole_[digests.whole] = entries_.begin();
  for (const Digest& prefix : digests.all_prefixes()) {
    by_prefix_[prefix] = &entries_.front();
  }
  count_.store(entries_.size(), std::memory_order_relaxed);
  bytes_.store(bytes() + bytes_of(entries_.front()), std::memory_order_relaxed);
  publish(entries_.front());
  while (bytes() > bytes_max_) forget(std::prev(entries_.end()));
  return Remembered::kNew;
}

void KnownUploads::forget_made_by(uint64_t maker) {
  for (auto entry = entries_.begin(); entry != entries_.end();) {
    const auto next = std::next(entry);
    if (entry->maker == maker) forget(entry);
    entry = next;
  }
}

void KnownUploads::forget_all() {
  while (!entries_.empty()) forget(entries_.begin());
}

void KnownUploads::forget(Entries::iterator entry) {
  withdraw(*entry);
  bytes_.store(bytes() - bytes_of(*entry), std::memory_order_relaxed);
  by_whole_.erase(entry->digests.whole);
  for (const Digest& prefix : entry->digests.all_prefixes()) {
    const auto use = by_prefix_.find(prefix);
    if (use != by_prefix_.end() && use->second == &*entry) by_prefix_.erase(use);
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
  for (const Digest& prefix : entry.digests.all_prefixes()) table_.insert(prefix, is_long);
  table_.insert(entry.digests.whole, is_long);
}

// Others may begin with the same bytes, if nobody announced their sizes; they are put off later
// then, or not at all.
void KnownUploads::withdraw(const Entry& entry) {
  for (const Digest& prefix : entry.digests.all_prefixes()) table_.erase(prefix);
  table_.erase(entry.digests.whole);
}

}  // namespace soundgate::exact
