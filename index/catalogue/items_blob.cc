#include "index/catalogue/items_blob.h"

#include <bit>

#define XXH_INLINE_ALL
#include <xxhash.h>

namespace soundgate {

std::vector<uint8_t> blob_of_items(std::span<const Item> items) {
  std::vector<uint8_t> blob;
  blob.reserve(items.size() * sizeof(Item));
  for (const Item item : items) {
    for (unsigned shift = 0; shift < 32; shift += 8) {
      blob.push_back(static_cast<uint8_t>(item >> shift));
    }
  }
  return blob;
}

std::vector<Item> items_of_blob(std::span<const uint8_t> blob) {
  std::vector<Item> items(blob.size() / sizeof(Item));
  for (size_t i = 0; i < items.size(); ++i) {
    for (size_t byte = 0; byte < sizeof(Item); ++byte) {
      items[i] |= Item{blob[i * sizeof(Item) + byte]} << (8 * byte);
    }
  }
  return items;
}

int64_t items_digest(std::span<const uint8_t> blob) {
  return std::bit_cast<int64_t>(XXH3_64bits(blob.data(), blob.size()));
}

}  // namespace soundgate
