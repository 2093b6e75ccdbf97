#include "perf/scale/synthetic_music.h"

#include <algorithm>
#include <array>

namespace soundgate::scale {
namespace {

constexpr size_t kStrands = 4;
constexpr size_t kClassifiers = 16;
constexpr size_t kPieceItemsMin = 65, kPieceItemsMax = 325;  // 8 to 40 s

struct Strand {
  std::span<const Item> items;
  double at;
  double tempo;
  Item mask;
};

}  // namespace

std::vector<Item> SyntheticMusic::make(size_t item_count) {
  std::vector<Item> items;
  items.reserve(item_count);
  std::uniform_int_distribution<size_t> length(kPieceItemsMin, kPieceItemsMax);
  while (items.size() < item_count) {
    append_piece(items, std::min(length(random_), item_count - items.size()));
  }
  return items;
}

void SyntheticMusic::append_piece(std::vector<Item>& items, size_t count) {
  std::array<size_t, kClassifiers> strand_of;
  for (size_t c = 0; c < kClassifiers; ++c) strand_of[c] = c % kStrands;
  std::ranges::shuffle(strand_of, random_);

  std::array<Strand, kStrands> strands;
  for (size_t s = 0; s < kStrands; ++s) {
    const auto& track = tracks_[random_() % tracks_.size()];
    const double tempo = std::uniform_real_distribution(0.8, 1.25)(random_);
    const double room =
        std::max(1.0, static_cast<double>(track.size()) - tempo * static_cast<double>(count));
    strands[s] = {track, std::uniform_real_distribution(0.0, room)(random_), tempo, 0};
    for (size_t c = 0; c < kClassifiers; ++c) {
      if (strand_of[c] == s) strands[s].mask |= Item{3} << (2 * c);
    }
  }
  for (size_t i = 0; i < count; ++i) {
    Item item = 0;
    for (Strand& strand : strands) {
      item |= strand.items[static_cast<size_t>(strand.at) % strand.items.size()] & strand.mask;
      strand.at += strand.tempo;
    }
    items.push_back(item);
  }
}

}  // namespace soundgate::scale
