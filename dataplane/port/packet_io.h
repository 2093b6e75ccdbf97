// How the core puts frames out, whatever carries them. The DPDK ports and the tests' fakes
// implement it.
// Thread: the owning lcore.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

namespace soundgate {

// The two ports of the bump, by whom they face. Also the two ends of a connection.
enum class Side : uint8_t { kClient, kOrigin };

constexpr Side other(Side side) { return side == Side::kClient ? Side::kOrigin : Side::kClient; }

class PacketIo {
 public:
  virtual ~PacketIo() = default;

  // Sends on the frame that is being handled, cut to frame_bytes; at most once for each. A frame
  // that is not forwarded by the time its handling returns is dropped.
  virtual void forward(Side to, size_t frame_bytes) = 0;

  // Sends a frame of our own; the bytes are copied. At most kFrameBytesMax.
  virtual void send(Side to, std::span<const std::byte> frame) = 0;
};

}  // namespace soundgate
