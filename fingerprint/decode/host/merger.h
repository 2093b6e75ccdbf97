// Puts together again what several workers make of one upload: the items of each period from the
// worker whose turn it was, in order, and one end.
// Input: what each worker says of its part, checked.  Output: what the listener would have heard
//   of one worker; at the borders of periods a bit may differ.
// Thread: the collector.  Memory: the items of parts that are ahead, 12 bytes each.
#pragma once

#include <array>
#include <chrono>
#include <cstdint>
#include <deque>
#include <optional>
#include <span>
#include <unordered_map>
#include <vector>

#include "fingerprint/decode/decoder_pool.h"
#include "fingerprint/decode/shared/division.h"

namespace soundgate::decode {

class Merger {
 public:
  explicit Merger(DecodeListener& listener) : listener_(listener) {}

  using PerBand = std::array<uint32_t, kBandCount>;
  // upload: SlotControl::division of all of its parts. The first part has told the listener itself
  // up to `told`.
  void begin(uint64_t upload, const Division& part, uint64_t tag, const PerBand& told);
  void on_items(uint64_t upload, const Division& part, int view, uint32_t first_item,
                std::span<const Item> items);
  void on_end(uint64_t upload, const Division& part, const DecodeEnd& how);
  // Its producer does not want it any more; without the first part there is no upload.
  void on_cancelled(uint64_t upload, const Division& part);

 private:
  struct Run {
    uint32_t first_item;
    std::vector<Item> items;

    uint32_t end() const { return first_item + static_cast<uint32_t>(items.size()); }
  };
  using Runs = std::deque<Run>;
  using Clock = std::chrono::steady_clock;
  struct Part {
    std::array<Runs, kBandCount> runs{};  // not told yet
    std::optional<DecodeEnd> end{};
  };
  struct Upload {
    std::vector<Part> parts;
    uint64_t tag = 0;
    bool begun = false;  // the tag and `told` are known
    bool cancelled = false;
    Clock::time_point since{};
    PerBand next{};          // the first item that is neither told nor missing
    PerBand told{};          // up to there, to the listener
    uint32_t gap_items = 0;  // between plain ones
  };

  Upload& look_up(uint64_t upload, const Division& part);
  void forget_those_without_a_begin();
  void settle(uint64_t id);
  bool tell_next(Upload& upload, Band band);
  void tell(Upload& upload, Band band, uint32_t first_item, std::span<const Item> items);
  static bool is_over(const Upload& upload, Band band);
  static DecodeEnd combined_end(const Upload& upload);

  DecodeListener& listener_;
  std::unordered_map<uint64_t, Upload> uploads_;
};

}  // namespace soundgate::decode
