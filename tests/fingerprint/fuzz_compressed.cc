// Fuzzes the decompressor: whatever it takes, compressing gives the same text again, and
// Chromaprint reads the same items from it. The input is the text, and once more the bytes that a
// text stands for. Under clang it is a libFuzzer target; elsewhere fuzz_replay.cc runs it over its
// corpus.

#include <chromaprint.h>

#include <cstdint>
#include <cstdlib>
#include <string>

#include "fingerprint/chroma/compressed.h"

namespace {

using namespace soundgate;

constexpr size_t kItemsMax = 4096;

void require(bool condition) {
  if (!condition) std::abort();
}

std::string base64(const uint8_t* data, size_t size) {
  constexpr char kDigits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
  std::string encoded;
  uint32_t bits = 0;
  unsigned bit_count = 0;
  for (size_t i = 0; i < size; ++i) {
    bits = (bits << 8 | data[i]) & 0xffff;
    for (bit_count += 8; bit_count >= 6; bit_count -= 6) {
      encoded += kDigits[bits >> (bit_count - 6) & 63];
    }
  }
  if (bit_count > 0) encoded += kDigits[bits << (6 - bit_count) & 63];
  return encoded;
}

void check(const std::string& compressed) {
  const auto items = decompress(compressed, kItemsMax);
  if (!items) return require(!text(items.error()).empty());
  require(items->size() <= kItemsMax);
  require(compress(*items) == compressed);

  uint32_t* decoded = nullptr;
  int count = 0;
  int algorithm = 0;
  require(chromaprint_decode_fingerprint(compressed.data(), static_cast<int>(compressed.size()),
                                         &decoded, &count, &algorithm, 1));
  require(algorithm == kAlgorithm);
  require(std::vector<Item>(decoded, decoded + count) == *items);
  chromaprint_dealloc(decoded);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  check(std::string(data, data + size));
  check(base64(data, size));
  return 0;
}
