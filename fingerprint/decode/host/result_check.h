// Tells what a worker may say from what only a broken or hostile one would.
// Input: a private copy of an entry, and what the host knows of the stream it names.
// Output: the entry's content in the host's own terms, every field checked.
// Thread: any; pure.
#pragma once

#include <array>
#include <cstdint>
#include <span>
#include <tl/expected.hpp>
#include <variant>

#include "fingerprint/decode/decoder_pool.h"
#include "fingerprint/decode/shared/results.h"

namespace soundgate::decode {

enum class ResultFault : uint8_t {
  kOverrun,     // the ring is said to hold more than it can
  kKind,        // no such kind of entry
  kSlot,        // no such slot
  kGeneration,  // not the stream that is in that slot, or one that has ended
  kCount,       // too many items, or none
  kView,        // items of a probe that nobody asked for, or of no band
  kOrder,       // items before items that came already, or further on than a stream may be
  kConsumed,    // more bytes consumed than there are, or fewer than before; or read
  kAgain,       // decoded once more, and nobody asked for that
  kOutcome,     // no such outcome, or one that is not the worker's to say
  kSeconds,     // not a time
  kPackets,     // a digest of packets that nobody asked for, out of order, or of more than there is
};

// One value for each view (fingerprint.h).
template <class T>
class PerView {
 public:
  constexpr T& operator[](int view) { return values_[static_cast<size_t>(view - kViewMin)]; }
  constexpr const T& operator[](int view) const {
    return values_[static_cast<size_t>(view - kViewMin)];
  }
  bool operator==(const PerView&) const = default;

 private:
  std::array<T, kViewMax - kViewMin + 1> values_{};
};

// What the host knows of a live stream, of this worker process's work on it.
struct StreamProgress {
  uint32_t generation = 0;  // 0: no live stream
  int probe_step_max = 0;
  bool is_sparse = false;        // parts of it may be skipped
  bool may_begin_again = false;  // somebody has asked for a closer look
  PerView<uint32_t> next_item{};
  uint32_t items_max = 0;  // plain ones
  uint64_t appended_bytes = 0;
  uint64_t consumed_bytes = 0;
  bool is_finished = false;         // appended_bytes is final
  bool remembers_packets = false;   // or else nobody wants to hear of them
  uint32_t next_packets_asked = 0;  // checkpoint
  uint32_t next_packets_said = 0;   // likewise
  uint16_t read_blocks = 0;
};

struct ItemsResult {
  int view;
  uint32_t first_item;
  std::span<const Item> items;  // of the entry that was checked
  uint16_t read_blocks;         // of which little can be checked
};
struct ProgressResult {};
// What a worker says of packets is true as far as it says it.
struct PacketsResult {
  bool is_asked;        // whether they are known
  uint32_t checkpoint;  // or kAllPackets
  exact::Digest digest;
  double promised_seconds;
  std::array<char, 16> format;
};
struct AgainResult {};
using CheckedResult =
    std::variant<ItemsResult, ProgressResult, PacketsResult, AgainResult, DecodeEnd>;

tl::expected<CheckedResult, ResultFault> check_result(const ResultEntry& entry,
                                                      const StreamProgress& stream);

}  // namespace soundgate::decode
