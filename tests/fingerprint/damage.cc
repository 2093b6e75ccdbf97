#include "tests/fingerprint/damage.h"

#include <algorithm>
#include <array>
#include <iterator>
#include <string_view>

namespace soundgate::test {
namespace {

// With draws of its own: those of the standard library differ between its makers.
class Dice {
 public:
  Dice(uint64_t seed, uint64_t number) {
    std::seed_seq both{static_cast<uint32_t>(seed), static_cast<uint32_t>(seed >> 32),
                       static_cast<uint32_t>(number)};
    random_.seed(both);
  }
  uint64_t below(uint64_t end) { return end == 0 ? 0 : random_() % end; }
  uint64_t between(uint64_t first, uint64_t last) { return first + below(last - first + 1); }
  bool one_in(uint64_t count) { return below(count) == 0; }
  // Most damage lies in headers, where there is least of them.
  size_t place(size_t size) { return one_in(2) ? below(size) : below(std::min<size_t>(size, 600)); }
  std::byte byte() { return static_cast<std::byte>(random_()); }

 private:
  std::mt19937_64 random_;
};

using Difference = Bytes::difference_type;

Bytes::iterator at(Bytes& bytes, size_t position) {
  return bytes.begin() + static_cast<Difference>(position);
}

void flip_bits(Bytes& bytes, Dice& dice, const Bytes&) {
  constexpr std::array<uint64_t, 4> kCounts = {1, 8, 60, 1000};
  const uint64_t count = kCounts[dice.below(kCounts.size())];
  for (uint64_t i = 0; i < count; ++i) {
    bytes[dice.place(bytes.size())] ^= static_cast<std::byte>(1u << dice.below(8));
  }
}

void cut_front(Bytes& bytes, Dice& dice, const Bytes&) {
  bytes.erase(bytes.begin(), at(bytes, dice.place(bytes.size())));
}

void cut_back(Bytes& bytes, Dice& dice, const Bytes&) { bytes.resize(dice.place(bytes.size())); }

void splice(Bytes& bytes, Dice& dice, const Bytes& other) {
  bytes.resize(dice.place(bytes.size()));
  const size_t from = dice.one_in(2) ? 0 : dice.below(other.size());
  bytes.insert(bytes.end(), other.begin() + static_cast<Difference>(from), other.end());
}

void insert_noise(Bytes& bytes, Dice& dice, const Bytes&) {
  Bytes noise(dice.between(1, dice.one_in(2) ? 8 : 20'000));
  std::ranges::generate(noise, [&] { return dice.byte(); });
  bytes.insert(at(bytes, dice.place(bytes.size())), noise.begin(), noise.end());
}

void remove_piece(Bytes& bytes, Dice& dice, const Bytes&) {
  const size_t from = dice.place(bytes.size());
  const size_t count = dice.between(1, dice.one_in(2) ? 8 : 20'000);
  bytes.erase(at(bytes, from), at(bytes, std::min(from + count, bytes.size())));
}

void overwrite(Bytes& bytes, Dice& dice, const Bytes&) {
  const size_t from = dice.place(bytes.size());
  const size_t count = std::min<size_t>(dice.between(1, 5000), bytes.size() - from);
  std::fill_n(at(bytes, from), count, dice.one_in(2) ? std::byte{0} : std::byte{0xff});
}

// A piece of a header again and again: metadata without end.
void repeat_piece(Bytes& bytes, Dice& dice, const Bytes&) {
  constexpr size_t kTimesBytes = size_t{400} << 10;
  const size_t from = dice.place(bytes.size());
  const size_t count = std::min<size_t>(dice.between(8, 3000), bytes.size() - from);
  const Bytes piece(at(bytes, from), at(bytes, from + count));
  Bytes pieces;
  while (pieces.size() < kTimesBytes) pieces.insert(pieces.end(), piece.begin(), piece.end());
  bytes.insert(at(bytes, from), pieces.begin(), pieces.end());
}

// Behind or before these words of headers stand sizes, counts, rates, durations and positions.
constexpr std::string_view kWords[] = {
    "mvhd", "mdhd", "stts", "stsc", "stsz", "stco", "elst", "moov", "mdat", "trak", "moof", "trun",
    "tfhd", "tfdt", "sidx", "mp4a", "alac", "esds", "fLaC", "RIFF", "RF64", "ds64", "fmt ", "data",
    "COMM", "SSND", "FORM", "OggS", "ID3", "Xing", "Info", "vorbis", "OpusHead", "OpusTags",
    "APETAGEX",
    // Matroska: segment, duration, rate, channels, codec's own, cluster, block, seek head, tags.
    "\x18\x53\x80\x67", "\x44\x89", "\xb5\x88", "\x9f\x81", "\x63\xa2", "\x1f\x43\xb6\x75", "\xa3",
    "\x11\x4d\x9b\x74", "\x12\x54\xc3\x67",
    // ASF: header, file and stream properties, data. MP3 and ADTS frames. MPEG-TS tables.
    "\x30\x26\xb2\x75", "\xa1\xdc\xab\x8c", "\x91\x07\xdc\xb7", "\x36\x26\xb2\x75", "\xff\xfb",
    "\xff\xf1", "\x47\x40", "\x47\x50"};

std::vector<size_t> places_of(const Bytes& bytes, std::string_view word) {
  constexpr size_t kPlacesMax = 50;
  std::vector<size_t> places;
  for (auto from = bytes.begin(); places.size() < kPlacesMax;) {
    from = std::search(from, bytes.end(), word.begin(), word.end(),
                       [](std::byte a, char b) { return a == static_cast<std::byte>(b); });
    if (from == bytes.end()) break;
    places.push_back(static_cast<size_t>(from++ - bytes.begin()));
  }
  return places;
}

size_t place_to_lie(const Bytes& bytes, Dice& dice) {
  constexpr int kAttempts = 200;
  for (int i = 0; i < kAttempts; ++i) {
    const std::string_view word = kWords[dice.below(std::size(kWords))];
    const std::vector<size_t> places = places_of(bytes, word);
    if (places.empty()) continue;
    const size_t found = places[dice.below(places.size())];
    const size_t before = found < 8 ? found : 8;  // sizes may come first
    return found - before + dice.below(before + word.size() + 28);
  }
  return dice.place(bytes.size());
}

void lie(Bytes& bytes, Dice& dice, const Bytes&) {
  constexpr uint64_t kLies[] = {0,
                                1,
                                2,
                                9,
                                255,
                                999,
                                65'535,
                                768'000,
                                768'001,
                                0x7fff'ffff,
                                0x8000'0000,
                                0xffff'ffff,
                                0x7fff'ffff'ffff'ffff,
                                0x8000'0000'0000'0000,
                                0xffff'ffff'ffff'ffff};
  for (uint64_t count = dice.between(1, 3); count > 0; --count) {
    const size_t place = place_to_lie(bytes, dice);
    const size_t width = size_t{1} << dice.below(4);
    const uint64_t value = kLies[dice.below(std::size(kLies))];
    const bool is_little = dice.one_in(2);
    for (size_t i = 0; i < width && place + i < bytes.size(); ++i) {
      bytes[place + i] = static_cast<std::byte>(value >> 8 * (is_little ? i : width - 1 - i));
    }
  }
}

// A few words of an index, one for another: it points backwards.
void shuffle_words(Bytes& bytes, Dice& dice, const Bytes&) {
  constexpr std::string_view kIndexes[] = {"stco", "stsc", "stsz", "stts", "trun", "sidx", "\xbb"};
  const std::vector<size_t> places = places_of(bytes, kIndexes[dice.below(std::size(kIndexes))]);
  size_t from = places.empty() ? dice.place(bytes.size()) : places[dice.below(places.size())] + 12;
  for (int i = 0; i < 8; ++i, from += 4) {
    const size_t other = from + 4 * dice.below(16);
    if (std::max(from, other) + 4 > bytes.size()) break;
    std::swap_ranges(at(bytes, from), at(bytes, from + 4), at(bytes, other));
  }
}

uint32_t checksum(uint32_t start, std::span<const std::byte> bytes) {
  uint32_t sum = start;
  for (const std::byte byte : bytes) {
    sum ^= std::to_integer<uint32_t>(byte) << 24;
    for (int bit = 0; bit < 8; ++bit) sum = sum << 1 ^ (sum >> 31 ? 0x04c11db7u : 0);
  }
  return sum;
}

// Pages of Ogg and tables of MPEG-TS have checksums. Without this, damage goes no deeper.
void mend_ogg(Bytes& bytes) {
  constexpr size_t kHeaderBytes = 27;
  for (const size_t page : places_of(bytes, "OggS")) {
    if (page + kHeaderBytes > bytes.size()) return;
    const size_t segments = std::to_integer<size_t>(bytes[page + 26]);
    size_t end = page + kHeaderBytes + segments;
    for (size_t i = 0; i < segments && page + kHeaderBytes + i < bytes.size(); ++i) {
      end += std::to_integer<size_t>(bytes[page + kHeaderBytes + i]);
    }
    if (end > bytes.size()) return;
    std::fill_n(at(bytes, page + 22), 4, std::byte{0});
    const uint32_t sum = checksum(0, std::span(bytes).subspan(page, end - page));
    for (size_t i = 0; i < 4; ++i) bytes[page + 22 + i] = static_cast<std::byte>(sum >> 8 * i);
  }
}

void mend_mpegts(Bytes& bytes) {
  constexpr size_t kPacketBytes = 188;
  for (size_t packet = 0; packet + kPacketBytes <= bytes.size(); packet += kPacketBytes) {
    const bool begins_table = bytes[packet] == std::byte{0x47} &&
                              (bytes[packet + 1] & std::byte{0x40}) != std::byte{0} &&
                              bytes[packet + 4] == std::byte{0};
    if (!begins_table) continue;
    const size_t table = packet + 5;
    const size_t length = (std::to_integer<size_t>(bytes[table + 1]) & 0xf) << 8 |
                          std::to_integer<size_t>(bytes[table + 2]);
    if (length < 4 || table + 3 + length > packet + kPacketBytes) continue;
    const size_t sum_at = table + 3 + length - 4;
    const uint32_t sum = checksum(0xffffffff, std::span(bytes).subspan(table, sum_at - table));
    for (size_t i = 0; i < 4; ++i) bytes[sum_at + i] = static_cast<std::byte>(sum >> (24 - 8 * i));
  }
}

struct Damage {
  const char* name;
  void (*apply)(Bytes&, Dice&, const Bytes& other);
};
constexpr Damage kDamages[] = {
    {"bits flipped", flip_bits},
    {"cut in front", cut_front},
    {"cut behind", cut_back},
    {"spliced", splice},
    {"noise inserted", insert_noise},
    {"piece removed", remove_piece},
    {"overwritten", overwrite},
    {"piece repeated", repeat_piece},
    {"lies", lie},
    {"lies", lie},
    {"lies", lie},
    {"index shuffled", shuffle_words},
};

}  // namespace

DamagedFile Damager::make(uint64_t number) const {
  Dice dice(seed_, number);
  const Sample& sample = samples_[number % samples_.size()];
  const Sample& other = samples_[dice.below(samples_.size())];
  DamagedFile file{sample.format, sample.bytes};
  for (uint64_t count = dice.one_in(4) ? 2 : 1; count > 0 && !file.bytes.empty(); --count) {
    const Damage& damage = kDamages[dice.below(std::size(kDamages))];
    damage.apply(file.bytes, dice, other.bytes);
    file.what += std::string(", ") + damage.name;
  }
  if (dice.one_in(2)) {
    mend_ogg(file.bytes);
    mend_mpegts(file.bytes);
  }
  return file;
}

}  // namespace soundgate::test
