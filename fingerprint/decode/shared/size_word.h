// The announced size of a stream and how it is coded, in one word, which is written and read whole:
// the size where it is not coded, -1 where that is not known; below that the coding. (How much
// comes out of a coding is never known.)
#pragma once

#include <algorithm>
#include <cstdint>

#include "fingerprint/decode/decoder_pool.h"

namespace soundgate::decode {

inline int64_t pack_size(int64_t size_bytes, StreamCoding coding) {
  const auto number = static_cast<int64_t>(coding);
  return coding == StreamCoding::kNone ? std::max<int64_t>(size_bytes, -1) : -1 - number;
}

inline int64_t unpack_size(int64_t word) { return std::max<int64_t>(word, -1); }

inline StreamCoding unpack_coding(int64_t word) {
  const int64_t number = word < -1 ? -1 - word : 0;
  return static_cast<StreamCoding>(
      std::min<int64_t>(number, static_cast<int64_t>(StreamCoding::kDeflate)));
}

}  // namespace soundgate::decode
