// Items as they are stored: 4 bytes each, little-endian, with a digest that tells when a disk has
// changed them.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "fingerprint/fingerprint.h"

namespace soundgate {

std::vector<uint8_t> blob_of_items(std::span<const Item> items);
std::vector<Item> items_of_blob(std::span<const uint8_t> blob);  // bytes past a whole item are lost
int64_t items_digest(std::span<const uint8_t> blob);

}  // namespace soundgate
