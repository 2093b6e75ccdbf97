// Writes TCP segments of our own: Ethernet, VLAN, IP and TCP headers with lengths and checksums.
// Output: a whole frame in the writer's buffer, valid until the next call. Payload at most
// kSegmentBytesMax (more is a programmer's error).
// Thread: the owning lcore.
#pragma once

#include <array>
#include <cstdint>
#include <optional>

#include "dataplane/flow/flow_key.h"
#include "dataplane/limits.h"
#include "dataplane/tcp/tcp_options.h"

namespace soundgate {

// The Ethernet and VLAN headers of a connection, as its client sends them.
struct LinkHeader {
  static constexpr size_t kBytesMax = 14 + 4 * kVlanTagsMax;
  std::array<std::byte, kBytesMax> data{};
  uint8_t bytes = 0;
};

struct SegmentFields {
  uint32_t sequence = 0;
  uint32_t acknowledgment = 0;
  uint8_t flags = 0;
  uint16_t window = 0;  // as it stands in the header, unscaled
  std::optional<Timestamps> timestamps;
};

class SegmentWriter {
 public:
  Bytes write(const FlowKey& key, const LinkHeader& link, Side to, const SegmentFields& fields,
              Bytes payload);

 private:
  void write_link(const LinkHeader& link, Side to);
  void write_ip(const FlowKey& key, Side to, size_t segment_bytes);
  void write_tcp(const FlowKey& key, Side to, const SegmentFields& fields, Bytes payload);

  std::array<std::byte, kFrameBytesMax> frame_{};
  size_t at_ = 0;
  uint16_t identification_ = 0;
};

}  // namespace soundgate
