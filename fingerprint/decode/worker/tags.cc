#include "fingerprint/decode/worker/tags.h"

#include <algorithm>
#include <string_view>

namespace soundgate::decode {
namespace {

bool begins_with(std::span<const uint8_t> bytes, std::string_view word) {
  return bytes.size() >= word.size() &&
         std::ranges::equal(bytes.first(word.size()), word,
                            [](uint8_t byte, char letter) { return byte == uint8_t(letter); });
}

uint64_t ape_bytes(std::span<const uint8_t> head) {
  if (head.size() < kTagHeaderBytes || !begins_with(head, "APETAGEX")) return 0;
  uint64_t bytes = kTagHeaderBytes;
  for (size_t i = 0; i < 4; ++i) bytes += uint64_t{head[12 + i]} << (8 * i);
  return bytes;
}

}  // namespace

uint64_t id3_bytes(std::span<const uint8_t> head) {
  constexpr size_t kHeaderBytes = 10;
  constexpr uint8_t kFooter = 0x10;
  if (head.size() < kHeaderBytes || !begins_with(head, "ID3") || head[3] == 0xff ||
      head[4] == 0xff) {
    return 0;
  }
  uint64_t bytes = 0;
  for (const uint8_t seven_bits : head.subspan(6, 4)) {
    if (seven_bits & 0x80) return 0;
    bytes = bytes << 7 | seven_bits;
  }
  return bytes + kHeaderBytes + (head[5] & kFooter ? kHeaderBytes : 0);
}

uint64_t tag_bytes(std::span<const uint8_t> head) {
  return std::max(id3_bytes(head), ape_bytes(head));
}

}  // namespace soundgate::decode
