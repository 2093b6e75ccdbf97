#include "dataplane/flow/checksum.h"

#include <bit>
#include <cstring>

namespace soundgate {

static_assert(std::endian::native == std::endian::little);

#if defined(__SANITIZE_THREAD__)  // it would watch the choice, before it can
#define SOUNDGATE_CHECKSUM_CLONES
#else
#define SOUNDGATE_CHECKSUM_CLONES __attribute__((target_clones("arch=x86-64-v3", "default")))
#endif

namespace {

constexpr size_t kBlockBytes = 32;
typedef uint64_t Block __attribute__((vector_size(kBlockBytes)));

// Even and odd 32-bit words of whole blocks, in lanes that do not overflow.
SOUNDGATE_CHECKSUM_CLONES
uint64_t add_blocks(const std::byte* bytes, size_t count) {
  Block even{}, odd{};
  for (const std::byte* end = bytes + count * kBlockBytes; bytes != end; bytes += kBlockBytes) {
    Block block;
    std::memcpy(&block, bytes, sizeof block);
    even += block & 0xFFFF'FFFF;
    odd += block >> 32;
  }
  even += odd;
  return even[0] + even[1] + even[2] + even[3];
}

}  // namespace

// Sums 32-bit words in host order: the one's complement sum does not mind, up to a final swap.
uint64_t checksum_add(uint64_t sum, Bytes bytes) {
  const size_t blocks = bytes.size() / kBlockBytes;
  if (blocks > 0) sum += add_blocks(bytes.data(), blocks);
  size_t at = blocks * kBlockBytes;
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
