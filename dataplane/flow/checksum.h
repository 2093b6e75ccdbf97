// The Internet checksum (RFC 1071), for IPv4 headers and TCP segments.
#pragma once

#include <cstdint>

#include "dataplane/flow/bytes.h"

namespace soundgate {

// The one's complement sum of the bytes, continued from `sum`; not yet folded or inverted.
uint64_t checksum_add(uint64_t sum, Bytes bytes);
uint16_t checksum_finish(uint64_t sum);

// Of a TCP segment (header and payload) between two addresses of 4 or 16 bytes each, as it stands
// in the bytes: 0 when the checksum field is right; the field's value when the field is zero.
uint16_t tcp_checksum(Bytes source, Bytes destination, Bytes segment);

}  // namespace soundgate
