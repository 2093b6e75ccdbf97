#include "dataplane/flow/checksum.h"

#include <bit>
#include <cstring>

namespace soundgate {

static_assert(std::endian::native == std::endian::little);

// Sums 32-bit words in host order: the one's complement sum does not mind, up to a final swap.
uint64_t checksum_add(uint64_t sum, Bytes bytes) {
  size_t at = 0;
  for (; at + 4 <= bytes.size(); at += 4) {
    uint32_t word;
    std::memcpy(&word, bytes.data() + at, sizeof word);
    sum += word;
  }
  if (at < bytes.size()) {
    uint32_t word = 0;
    std::memcpy(&word, bytes.data() + at, bytes.size() - at);
    sum += word;
  }
  return sum;
}

uint16_t checksum_finish(uint64_t sum) {
  while (sum >> 16 != 0) sum = (sum & 0xFFFF) + (sum >> 16);
  const auto folded = static_cast<uint16_t>(~sum & 0xFFFF);
  return static_cast<uint16_t>(folded << 8 | folded >> 8);
}

uint16_t tcp_checksum(Bytes source, Bytes destination, Bytes segment) {
  constexpr uint8_t kTcp = 6;
  std::byte pseudo[8]{};
  store32(pseudo, 0, static_cast<uint32_t>(segment.size()));
  store8(pseudo, 7, kTcp);
  uint64_t sum = checksum_add(0, source);
  sum = checksum_add(sum, destination);
  sum = checksum_add(sum, pseudo);
  return checksum_finish(checksum_add(sum, segment));
}

}  // namespace soundgate
