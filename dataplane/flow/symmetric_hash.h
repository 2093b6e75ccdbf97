// Which lcore a frame belongs to: a hash of its addresses, and ports if wanted, that is the same in
// both directions of a connection. It is what network cards compute (Toeplitz) when they are given
// kSymmetricKey: its period is that of the words it is applied to, so that it hashes their
// exclusive or, which does not mind what was source and what destination.
// Input: a frame, VLAN tags or not. TCP and UDP count with their ports; fragments and everything
// else of IP by addresses only, so that all fragments come to one lcore; what is not IP is 0.
// Errors: none; what is cut short hashes as far as it can be read.
// Thread: any.  Source: Woo and Park, "Scalable TCP Session Monitoring with Symmetric
// Receive-side Scaling", 2012.
#pragma once

#include <array>
#include <cstdint>

#include "dataplane/flow/bytes.h"

namespace soundgate {

inline constexpr uint16_t kSymmetricKeyWord = 0x6d5a;
inline constexpr size_t kSymmetricKeyBytesMax = 64;

// For cards: as many of its bytes as they want.
inline constexpr auto kSymmetricKey = [] {
  std::array<uint8_t, kSymmetricKeyBytesMax> key{};
  for (size_t i = 0; i < key.size(); ++i) {
    key[i] = static_cast<uint8_t>(i % 2 == 0 ? kSymmetricKeyWord >> 8 : kSymmetricKeyWord & 0xFF);
  }
  return key;
}();

// What the lcores share out: connections, or all that two hosts say to each other.
enum class ShareBy : uint8_t { kConnection, kAddresses };

uint32_t symmetric_hash(Bytes frame, ShareBy share_by = ShareBy::kConnection);

// Entry i of a card's redirection table, whose number of entries is a multiple of this, is for
// lcore_of(i): card and software share out alike.
inline constexpr uint32_t kSharesMax = 64;
constexpr unsigned lcore_of(uint32_t hash, unsigned lcore_count) {
  return hash % kSharesMax % lcore_count;
}

}  // namespace soundgate
