// References in any number, made of the items of some hundred real tracks.
// A made-up track is spliced of pieces of 8 to 40 s. Each piece is woven of four real tracks: an
// item is what 16 classifiers of 2 bits say, and each classifier's bits are taken from one of the
// four, from a place of its own and at a tempo of its own (0.8 to 1.25). So every bit stands where
// it stood, is set as often as in music, and changes as music does; classifiers that come from one
// track still agree as they did; and no window resembles a real one, or another made-up one, in
// more than a quarter of its bits. All bands are woven alike. (Bits in another order would scatter
// the windows more evenly than music does, and flatter the lists; spliced windows left as they are
// would repeat themselves by the hundred.) index_scale prints how near the two are. Thread: one.
#pragma once

#include <array>
#include <cstdint>
#include <random>
#include <span>
#include <vector>

#include "index/banded_items.h"

namespace soundgate::scale {

class SyntheticMusic {
 public:
  // `tracks` outlive it.
  SyntheticMusic(std::span<const BandedItems> tracks, uint64_t seed)
      : tracks_(tracks), random_(seed) {}

  BandedItems make(size_t item_count);

 private:
  void append_piece(std::array<std::vector<Item>, kBandCount>& bands, size_t count);

  std::span<const BandedItems> tracks_;
  std::mt19937_64 random_;
};

}  // namespace soundgate::scale
