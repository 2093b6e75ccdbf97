#include "fingerprint/chroma/item_maker.h"

#include <cmath>
#include <cstdint>

namespace soundgate {
namespace {

// What is summed of rows 0..row, pitch classes 0..pitch: [row][pitch], with a border of zeroes.
using Sums = std::array<std::array<double, kPitchClasses + 1>, ItemMaker::kRows + 1>;

struct Part {
  size_t row, pitch, rows, pitches;

  double sum(const Sums& sums) const {
    const auto& first = sums[row];
    const auto& last = sums[row + rows];
    return last[pitch + pitches] - last[pitch] - first[pitch + pitches] + first[pitch];
  }
};

// Which part is compared with which.
enum class Shape : uint8_t {
  kAll,        // with nothing
  kHighLow,    // the upper half of the pitches with the lower
  kLateEarly,  // the later half of the rows with the earlier
  kCrossed,    // two opposite quarters with the other two
  kMidPitch,   // the middle third of the pitches with those about it
  kMidTime,    // the middle third of the rows with those about it
};

struct Comparison {
  Shape shape;
  size_t pitch, pitches, rows;
  std::array<double, 3> borders;  // between the four values, in logarithms of the ratio

  double ratio(const Sums& sums) const;
};

double Comparison::ratio(const Sums& sums) const {
  const auto part = [&](size_t row, size_t first, size_t row_count, size_t pitch_count) {
    return Part{row, pitch + first, row_count, pitch_count}.sum(sums);
  };
  const double all = part(0, 0, rows, pitches);
  double one = all;
  switch (shape) {
    case Shape::kAll:
      return 1 + all;
    case Shape::kHighLow:
      one = part(0, pitches / 2, rows, pitches - pitches / 2);
      break;
    case Shape::kLateEarly:
      one = part(rows / 2, 0, rows - rows / 2, pitches);
      break;
    case Shape::kCrossed:
      one = part(0, pitches / 2, rows / 2, pitches - pitches / 2) +
            part(rows / 2, 0, rows - rows / 2, pitches / 2);
      break;
    case Shape::kMidPitch:
      one = part(0, pitches / 3, rows, pitches / 3);
      break;
    case Shape::kMidTime:
      one = part(rows / 3, 0, rows / 3, pitches);
      break;
  }
  return (1 + one) / (1 + all - one);
}

constexpr std::array<Comparison, 16> kComparisons = {{
    {Shape::kAll, 4, 3, 15, {1.98215, 2.35817, 2.63523}},
    {Shape::kMidPitch, 4, 6, 15, {-1.03809, -0.651211, -0.282167}},
    {Shape::kHighLow, 0, 4, 16, {-0.298702, 0.119262, 0.558497}},
    {Shape::kCrossed, 8, 2, 12, {-0.105439, 0.0153946, 0.135898}},
    {Shape::kCrossed, 4, 4, 8, {-0.142891, 0.0258736, 0.200632}},
    {Shape::kMidPitch, 0, 3, 5, {-0.826319, -0.590612, -0.368214}},
    {Shape::kHighLow, 2, 2, 9, {-0.557409, -0.233035, 0.0534525}},
    {Shape::kLateEarly, 7, 3, 4, {-0.0646826, 0.00620476, 0.0784847}},
    {Shape::kLateEarly, 6, 2, 16, {-0.192387, -0.029699, 0.215855}},
    {Shape::kLateEarly, 1, 3, 2, {-0.0397818, -0.00568076, 0.0292026}},
    {Shape::kMidTime, 10, 1, 15, {-0.53823, -0.369934, -0.190235}},
    {Shape::kCrossed, 6, 2, 10, {-0.124877, 0.0296483, 0.139239}},
    {Shape::kLateEarly, 1, 1, 14, {-0.101475, 0.0225617, 0.231971}},
    {Shape::kCrossed, 5, 6, 4, {-0.0799915, -0.00729616, 0.063262}},
    {Shape::kHighLow, 9, 2, 12, {-0.272556, 0.019424, 0.302559}},
    {Shape::kCrossed, 4, 2, 14, {-0.164292, -0.0321188, 0.0846339}},
}};

// The borders as ratios: what is compared needs no logarithm.
std::array<std::array<double, 3>, kComparisons.size()> make_borders() {
  std::array<std::array<double, 3>, kComparisons.size()> borders;
  for (size_t i = 0; i < borders.size(); ++i) {
    for (size_t b = 0; b < 3; ++b) borders[i][b] = std::exp(kComparisons[i].borders[b]);
  }
  return borders;
}

}  // namespace

std::optional<Item> ItemMaker::add(const PitchRow& row) {
  static const auto kBorders = make_borders();
  constexpr std::array<Item, 4> kGrayCode = {0, 1, 3, 2};
  rows_[count_++ % kRows] = row;
  if (count_ < kRows) return std::nullopt;
  Sums sums{};
  for (size_t r = 0; r < kRows; ++r) {
    const PitchRow& values = rows_[(count_ + r) % kRows];
    double so_far = 0;
    for (size_t c = 0; c < kPitchClasses; ++c) {
      so_far += values[c];
      sums[r + 1][c + 1] = sums[r][c + 1] + so_far;
    }
  }
  Item item = 0;
  for (size_t i = 0; i < kComparisons.size(); ++i) {
    const double ratio = kComparisons[i].ratio(sums);
    size_t value = 0;
    for (const double border : kBorders[i]) value += ratio >= border;
    item = item << 2 | kGrayCode[value];
  }
  return item;
}

}  // namespace soundgate
