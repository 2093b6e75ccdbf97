// The uploads that were decoded whole, by their digests: what their decoding gave, never a verdict.
// Input: recordings with their digests.  Output: the recording of a digest.
// An entry is believed for kServedMax uploads and kConfirmAfter; the next one is decoded as if it
//   was not known, and compared. It goes with the worker that made it, when that dies.
// Digests of bodies are the host's own, those of packets what a worker says. So by its packets an
//   entry is believed of what its own maker is at work on, which that could lie about anyway; and
//   of others, when a second worker has said the same digest and the same items.
// Thread: the collector; prefixes() and the counts from any.
// Memory: bytes_max, the least recently used go first; besides, a quarter of that for what is being
//   recorded, and a 64th for the table of prefixes.
// Source: README of the room, Known uploads.
#pragma once

#include <atomic>
#include <chrono>
#include <list>
#include <unordered_map>

#include "fingerprint/exact/body_digests.h"
#include "fingerprint/exact/prefix_table.h"
#include "fingerprint/exact/recording.h"

namespace soundgate::exact {

inline constexpr uint32_t kServedMax = 256;
inline constexpr std::chrono::hours kConfirmAfter{24};
// Of one entry, as a share of all: a few hours of audio must not put out everything else.
inline constexpr size_t kEntryShareMax = 64;
// Of all that is being recorded, likewise: while there is more, nothing more is.
inline constexpr size_t kRecordingShareMax = 4;
inline constexpr size_t kEntryBytesMin = 4096;  // what an entry is reckoned at beside its items
// Longer audio takes too long to catch up with when somebody waits for it.
inline constexpr double kLongSeconds = 600;

class KnownUploads {
 public:
  using Clock = std::chrono::steady_clock;

  explicit KnownUploads(size_t bytes_max);

  const DigestKey& key() const { return key_; }
  const DigestKey& packets_key() const { return packets_key_; }  // workers know it
  const PrefixTable& prefixes() const { return table_; }
  size_t recording_bytes_max() const { return bytes_max_ / kEntryShareMax; }
  // For so much more of a recording that is being made; and when it is not being made any more.
  bool reserve(size_t bytes);
  void release(size_t bytes) { recording_bytes_ -= bytes; }

  // What a worker process makes is remembered under its maker number, and forgotten with it.
  uint64_t new_maker() { return ++last_maker_; }
  void forget_made_by(uint64_t maker);
  void forget_all();

  // nullptr: not known, or to be decoded again. Valid until the next call of anything.
  const Recording* find(const Digest& whole, Clock::time_point now);

  // One whose body begins so.
  const Recording* find_prefix(const Digest& prefix, Clock::time_point now);

  // Likewise by its packets, for a stream that the worker process with this maker number is at work
  // on.
  const Recording* find_packets(const Digest& whole, uint64_t asker, Clock::time_point now);
  const Recording* find_packets_prefix(const Digest& prefix, uint64_t asker,
                                       Clock::time_point now) const;

  // packets: nothing where no digests of them were said. One whose packets are known is not kept a
  // second time for another body.
  enum class Remembered : uint8_t { kNew, kConfirmed, kContradicted, kTooLarge };
  Remembered remember(const BodyDigests& body, const std::optional<PacketDigests>& packets,
                      Recording recording, uint64_t maker, Clock::time_point now);

  // The next upload of what was decoded by several workers is to be decoded by one: only that is
  // remembered. was_divided() asks by a prefix. Thread: the producer's.
  void note_divided(const BodyDigests& digests);
  bool was_divided(const Digest& prefix) const {
    return divided_.find(prefix) != PrefixTable::Known::kNo;
  }

  size_t count() const { return count_.load(std::memory_order_relaxed); }
  size_t bytes() const { return bytes_.load(std::memory_order_relaxed); }

 private:
  struct Entry {
    BodyDigests body;
    std::optional<PacketDigests> packets;
    Recording recording;
    uint64_t maker;
    Clock::time_point confirmed;
    uint32_t served = 0;
    uint64_t second_maker = 0;  // of the same items from the same packets; 0: none
  };
  using Entries = std::list<Entry>;  // the one that was used last is in front

  static bool is_stale(const Entry& entry, Clock::time_point now);
  static bool is_believed_by_packets(const Entry& entry, uint64_t asker);
  static size_t bytes_of(const Entry& entry);
  Remembered compare(Entries::iterator known, const std::optional<PacketDigests>& packets,
                     const Recording& recording, uint64_t maker, Clock::time_point now);
  const Recording* serve(Entries::iterator entry, Clock::time_point now);
  void index(Entries::iterator entry);
  void index_packet_prefixes(const Entry& entry);
  void publish(const Entry& entry);   // to producers
  void withdraw(const Entry& entry);  // likewise
  void forget(Entries::iterator entry);

  const size_t bytes_max_;
  const DigestKey key_ = DigestKey::make();
  const DigestKey packets_key_ = DigestKey::make();
  PrefixTable table_, divided_;
  Entries entries_;
  std::unordered_map<Digest, Entries::iterator, DigestHash> by_whole_;
  // Of those that begin alike, the one that was remembered last.
  std::unordered_map<Digest, const Entry*, DigestHash> by_prefix_;
  std::unordered_map<Digest, Entries::iterator, DigestHash> by_packets_;
  // Of those whose packets begin alike, the one that was remembered last, but rather one that two
  // workers have made.
  std::unordered_map<Digest, const Entry*, DigestHash> by_packets_prefix_;
  uint64_t last_maker_ = 0;
  size_t recording_bytes_ = 0;
  std::atomic<size_t> count_{0};
  std::atomic<size_t> bytes_{0};
};

}  // namespace soundgate::exact
