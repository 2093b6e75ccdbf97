#include "perf/scale/synthetic_music.h"

#include <algorithm>
#include <array>

namespace soundgate::scale {
namespace {

constexpr size_t kStrands = 4;
constexpr size_t kClassifiers = 16;
constexpr size_t kPieceItemsMin = 65, kPieceItemsMax = 325;  // 8 to 40 s

struct Strand {
  const BandedItems& track;
  double at;
  double tempo;
  Item mask;

  Item item(size_t number, Band band) const {
    const auto place = static_cast<size_t>(at + tempo * static_cast<double>(number));
    return track.of(band)[place % track.count()];
  }
};

}  // namespace

BandedItems SyntheticMusic::make(size_t item_count) {
  std::array<std::vector<Item>, kBandCount> bands;
  std::uniform_int_distribution<size_t> length(kPieceItemsMin, kPieceItemsMax);
  while (bands[0].size() < item_count) {
    append_piece(bands, std::min(length(random_), item_count - bands[0].size()));
  }
  std::vector<Item> all;
  all.reserve(kBandCount * item_count);
  for (const auto& items : bands) all.insert(all.end(), items.begin(), items.end());
  return {std::move(all), kBandCount};
}

void SyntheticMusic::append_piece(std::array<std::vector<Item>, kBandCount>& bands, size_t count) {
  std::array<size_t, kClassifiers> strand_of;
  for (size_t c = 0; c < kClassifiers; ++c) strand_of[c] = c % kStrands;
  std::ranges::shuffle(strand_of, random_);

  std::vector<Strand> strands;
  for (size_t s = 0; s < kStrands; ++s) {
    const BandedItems& track = tracks_[random_() % tracks_.size()];
    const double tempo = std::uniform_real_distribution(0.8, 1.25)(random_);
    const double room =
        std::max(1.0, static_cast<double>(track.count()) - tempo * static_cast<double>(count));
    Item mask = 0;
    for (size_t c = 0; c < kClassifiers; ++c) {
      if (strand_of[c] == s) mask |= Item{3} << (2 * c);
    }
    strands.push_back({track, std::uniform_real_distribution(0.0, room)(random_), tempo, mask});
  }
  for (size_t i = 0; i < count; ++i) {
    for (const Band band : kAllBands) {
      Item item = 0;
      for (const Strand& strand : strands) item |= strand.item(i, band) & strand.mask;
      bands[static_cast<size_t>(band)].push_back(item);
    }
  }
}

}  // namespace soundgate::scale
