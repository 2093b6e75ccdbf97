#include "fingerprint/chroma/compressed.h"

#include <algorithm>
#include <array>
#include <cassert>
#include <optional>

namespace soundgate {
namespace {

constexpr std::string_view kDigits =
    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

constexpr size_t kHeaderBytes = 4;
constexpr unsigned kGapBits = 3;
constexpr unsigned kLongGap = 7;  // and more: the excess is elsewhere
constexpr unsigned kExcessBits = 5;
constexpr unsigned kItemBits = 32;

using Bytes = std::span<const uint8_t>;
using Failure = tl::unexpected<CompressedError>;

constexpr std::array<int8_t, 256> digit_values() {
  std::array<int8_t, 256> values{};
  values.fill(-1);
  for (size_t i = 0; i < kDigits.size(); ++i) {
    values[static_cast<uint8_t>(kDigits[i])] = static_cast<int8_t>(i);
  }
  return values;
}

std::optional<std::vector<uint8_t>> bytes_of_base64(std::string_view text) {
  static constexpr std::array<int8_t, 256> kValues = digit_values();
  std::vector<uint8_t> bytes;
  bytes.reserve(text.size() / 4 * 3 + 2);
  uint32_t bits = 0;
  unsigned bit_count = 0;
  for (const char digit : text) {
    const int8_t value = kValues[static_cast<uint8_t>(digit)];
    if (value < 0) return {};
    bits = bits << 6 | static_cast<uint32_t>(value);
    bit_count += 6;
    if (bit_count < 8) continue;
    bit_count -= 8;
    bytes.push_back(static_cast<uint8_t>(bits >> bit_count));
    bits &= (1u << bit_count) - 1;
  }
  if (bit_count >= 6 || bits != 0) return {};  // a digit too many, or bits of no byte
  return bytes;
}

std::string base64_of(Bytes bytes) {
  std::string text;
  text.reserve((bytes.size() * 4 + 2) / 3);
  uint32_t bits = 0;
  unsigned bit_count = 0;
  for (const uint8_t byte : bytes) {
    bits = bits << 8 | byte;
    bit_count += 8;
    for (; bit_count >= 6; bit_count -= 6) text += kDigits[bits >> (bit_count - 6) & 63];
    bits &= (1u << bit_count) - 1;
  }
  if (bit_count > 0) text += kDigits[bits << (6 - bit_count) & 63];
  return text;
}

// Lowest bits first.
class BitReader {
 public:
  explicit BitReader(Bytes bytes) : bytes_(bytes) {}

  bool has(unsigned bits) const { return at_ + bits <= 8 * bytes_.size(); }
  unsigned read(unsigned bits) {  // at most 8, that are there
    assert(has(bits));
    const size_t byte = at_ / 8;
    unsigned window = bytes_[byte];
    if (byte + 1 < bytes_.size()) window |= unsigned{bytes_[byte + 1]} << 8;
    window >>= at_ % 8;
    at_ += bits;
    return window & ((1u << bits) - 1);
  }
  // On to the next whole byte: whether what fills up this one is zeros.
  bool skip_filling() { return at_ % 8 == 0 || read(static_cast<unsigned>(8 - at_ % 8)) == 0; }
  Bytes rest() const { return bytes_.subspan(at_ / 8); }

 private:
  Bytes bytes_;
  size_t at_ = 0;
};

class BitWriter {
 public:
  void write(unsigned value, unsigned bits) {
    if (used_ == 0) bytes_.push_back(0);
    const unsigned shifted = value << used_;
    bytes_.back() = static_cast<uint8_t>(bytes_.back() | shifted);
    used_ += bits;
    if (used_ > 8) bytes_.push_back(static_cast<uint8_t>(shifted >> 8));
    used_ %= 8;
  }
  Bytes bytes() const { return bytes_; }

 private:
  std::vector<uint8_t> bytes_;
  unsigned used_ = 0;  // bits of the last byte; 0: all
};

// Walks over the gaps of so many items, to the excesses behind them, of which there must be as many
// bytes as there are long gaps.
tl::expected<Bytes, CompressedError> excesses_of(Bytes body, size_t item_count) {
  BitReader gaps(body);
  size_t long_count = 0;
  for (size_t items = 0; items < item_count;) {
    if (!gaps.has(kGapBits)) return Failure(CompressedError::kCutShort);
    const unsigned gap = gaps.read(kGapBits);
    items += gap == 0;
    long_count += gap == kLongGap;
  }
  if (!gaps.skip_filling()) return Failure(CompressedError::kTrailing);
  const Bytes excesses = gaps.rest();
  const size_t excess_bytes = (long_count * kExcessBits + 7) / 8;
  if (excesses.size() < excess_bytes) return Failure(CompressedError::kCutShort);
  if (excesses.size() > excess_bytes) return Failure(CompressedError::kTrailing);
  return excesses;
}

// The bits in which an item differs from the one before. Nothing where there is no such bit.
std::optional<Item> read_difference(BitReader& gaps, BitReader& excesses) {
  Item difference = 0;
  unsigned place = 0;  // of the last bit, from 1
  while (unsigned gap = gaps.read(kGapBits)) {
    if (gap == kLongGap) gap += excesses.read(kExcessBits);
    place += gap;
    if (place > kItemBits) return {};
    difference |= Item{1} << (place - 1);
  }
  return difference;
}

void write_difference(Item difference, BitWriter& gaps, BitWriter& excesses) {
  unsigned last = 0;
  for (unsigned place = 1; place <= kItemBits; ++place) {
    if ((difference >> (place - 1) & 1) == 0) continue;
    const unsigned gap = place - last;
    gaps.write(std::min(gap, kLongGap), kGapBits);
    if (gap >= kLongGap) excesses.write(gap - kLongGap, kExcessBits);
    last = place;
  }
  gaps.write(0, kGapBits);
}

}  // namespace

std::string_view text(CompressedError error) {
  switch (error) {
    case CompressedError::kNotBase64:
      return "is not URL-safe base64 without padding";
    case CompressedError::kOtherAlgorithm:
      return "is of another algorithm than fpcalc's default, the only one that is matched here";
    case CompressedError::kTooMany:
      return "has more items than a reference may have (24 hours)";
    case CompressedError::kCutShort:
      return "is cut short";
    case CompressedError::kTrailing:
      return "goes on behind its last item";
    case CompressedError::kImpossible:
      break;
  }
  return "is damaged: an item has more than 32 bits";
}

tl::expected<std::vector<Item>, CompressedError> decompress(std::string_view text,
                                                            size_t items_max) {
  const auto bytes = bytes_of_base64(text);
  if (!bytes) return Failure(CompressedError::kNotBase64);
  if (bytes->size() < kHeaderBytes) return Failure(CompressedError::kCutShort);
  if (bytes->front() != kAlgorithm) return Failure(CompressedError::kOtherAlgorithm);
  const size_t item_count =
      size_t{(*bytes)[1]} << 16 | size_t{(*bytes)[2]} << 8 | size_t{(*bytes)[3]};
  if (item_count > items_max) return Failure(CompressedError::kTooMany);
  const Bytes body = Bytes(*bytes).subspan(kHeaderBytes);
  const auto excess_bytes = excesses_of(body, item_count);
  if (!excess_bytes) return Failure(excess_bytes.error());

  std::vector<Item> items;
  items.reserve(item_count);  // each has taken 3 bits at least
  BitReader gaps(body);
  BitReader excesses(*excess_bytes);
  Item item = 0;
  while (items.size() < item_count) {
    const auto difference = read_difference(gaps, excesses);
    if (!difference) return Failure(CompressedError::kImpossible);
    items.push_back(item ^= *difference);
  }
  if (!excesses.skip_filling()) return Failure(CompressedError::kTrailing);
  return items;
}

std::string compress(std::span<const Item> items) {
  assert(items.size() <= kCompressedItemsMax);
  BitWriter gaps;
  BitWriter excesses;
  Item last = 0;
  for (const Item item : items) {
    write_difference(item ^ last, gaps, excesses);
    last = item;
  }
  const size_t count = items.size();
  std::vector<uint8_t> bytes = {kAlgorithm, static_cast<uint8_t>(count >> 16),
                                static_cast<uint8_t>(count >> 8), static_cast<uint8_t>(count)};
  for (const BitWriter* run : {&gaps, &excesses}) {
    bytes.insert(bytes.end(), run->bytes().begin(), run->bytes().end());
  }
  return base64_of(bytes);
}

}  // namespace soundgate
