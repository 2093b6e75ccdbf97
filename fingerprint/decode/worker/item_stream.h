// The items of one stream, of all bands, numbered by where in the audio they lie, with gaps.
// Input: mono samples at kSampleRateHz, in order; now and then word that some are missing.
// Output: items, to a sink, with the index of the first. After a gap they lie on the same grid of
//   kHopSamples as before it, so that they are what an undisturbed stream would have given.
// Thread: the stream's fiber.
#pragma once

#include <cstdint>
#include <functional>
#include <span>
#include <vector>

#include "fingerprint/chroma/chroma.h"

namespace soundgate::decode {

class ItemStream {
 public:
  // view: of a band (fingerprint.h); all bands have as many items.
  using Sink = std::function<void(int view, uint32_t first_item, std::span<const Item>)>;
  explicit ItemStream(Sink sink) : sink_(std::move(sink)) {}

  void feed(std::span<const int16_t> samples);
  // The next sample fed is the one at this position of the audio, not the one after the last: those
  // between are missing, or were skipped on purpose.
  enum class Jump : uint8_t { kMissing, kSkipped };
  void jump_to(uint64_t position, Jump why);
  void finish();  // hands over what is held back, so that entries are full: 2 s at most

  uint64_t position() const { return position_; }
  uint32_t next_item() const { return next_item_; }
  double decoded_seconds() const { return static_cast<double>(fed_) / kSampleRateHz; }
  double gap_seconds() const { return static_cast<double>(missing_) / kSampleRateHz; }
  double skipped_seconds() const { return static_cast<double>(skipped_) / kSampleRateHz; }

 private:
  Sink sink_;
  Chroma chroma_{kAllBands};
  std::vector<Item> ready_;
  uint32_t next_item_ = 0;
  uint64_t position_ = 0;    // of the next sample, in the audio
  uint64_t skip_until_ = 0;  // the next position on the grid, after a gap
  uint64_t fed_ = 0;         // samples
  uint64_t missing_ = 0;     // samples
  uint64_t skipped_ = 0;     // samples
};

}  // namespace soundgate::decode
