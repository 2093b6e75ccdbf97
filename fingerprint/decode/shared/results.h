// The results memory of one worker: written by the worker, and hostile to the host, which copies
// each entry once and checks the copy. One such memory lives as long as one worker process.
//
//   ResultsHeader | ResultEntry[kResultEntries], a ring
//
// How much of the ring is free again stands in the payload memory (PayloadHeader::results_read).
// Thread: the worker writes, the collector reads.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>

#include "fingerprint/decode/limits.h"
#include "fingerprint/exact/body_digests.h"
#include "fingerprint/fingerprint.h"

namespace soundgate::decode {

struct ResultsHeader {
  alignas(64) std::atomic<uint64_t> written;    // entries, ever
  alignas(64) std::atomic<uint64_t> heartbeat;  // grows with each step; 0: not started yet
  std::atomic<uint64_t> running;                // running_mark() of the stream at work; 0: none
};

inline constexpr uint64_t running_mark(uint32_t slot, uint32_t generation) {
  return (uint64_t{generation} << 32) | (slot + 1);
}

enum class ResultKind : uint16_t {
  kItems = 1,
  kProgress = 2,
  kEnded = 3,
  kPacketsAsked = 4,  // whether packets that begin so are known; nothing was decoded yet
  kPacketsSaid = 5,   // what digests those have whose items this is
  kAgain = 6,  // a sparse stream is decoded once more, whole: its items come from the first one
};

// How a stream ended, as the worker says it. Strings end with NUL.
struct ResultEnd {
  uint32_t outcome;  // DecodeOutcome
  uint32_t reserved;
  double decoded_seconds;
  double gap_seconds;
  double skipped_seconds;
  double duration_seconds;
  char format[16];
  char codec[16];
};

// The digest of a track's packets up to a checkpoint (exact/body_digests.h), or of all of them.
inline constexpr uint32_t kAllPackets = exact::kCheckpointsMax;
struct ResultPackets {
  uint32_t checkpoint;  // or kAllPackets
  uint32_t reserved;
  exact::Digest digest;
  double promised_seconds;  // by the headers; 0: they do not say
  char format[16];
};

struct ResultEntry {
  ResultKind kind;
  uint16_t read_blocks;  // kItems: what they depend on of the stream: its first so many blocks
  uint32_t slot;
  uint32_t generation;
  uint32_t first_item;      // kItems
  uint32_t item_count;      // kItems
  int32_t view;             // kItems; fingerprint.h
  uint64_t consumed_bytes;  // of the stream; what lies before is not needed any more
  union {
    Item items[kItemsPerEntry];
    ResultEnd end;
    ResultPackets packets;
  };
};
static_assert(sizeof(ResultEntry) == 128);

inline constexpr uint16_t kReadAll = 0xffff;  // read_blocks: and more, or on where the stream ends

inline constexpr size_t kResultsBytes =
    sizeof(ResultsHeader) + size_t{kResultEntries} * sizeof(ResultEntry);

inline ResultsHeader& results_header(std::byte* memory) {
  return *reinterpret_cast<ResultsHeader*>(memory);
}
inline ResultEntry& result_entry(std::byte* memory, uint64_t position) {
  auto* entries = reinterpret_cast<ResultEntry*>(memory + sizeof(ResultsHeader));
  return entries[position & (kResultEntries - 1)];
}

}  // namespace soundgate::decode
