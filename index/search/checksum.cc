#include "index/search/checksum.h"

#define XXH_INLINE_ALL
#include <xxhash.h>

namespace soundgate {

uint64_t checksum(std::span<const std::byte> bytes, uint64_t seed) {
  return XXH3_64bits_withSeed(bytes.data(), bytes.size(), seed);
}

}  // namespace soundgate
