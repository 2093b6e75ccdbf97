// Frames of many connections at a time, made when they are due: TCP over IPv4, checksums right.
// Everything that a frame is made of is in its connection's few bytes and in what all share.
// Thread: one.
#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "dataplane/flow/bytes.h"
#include "dataplane/port/packet_io.h"
#include "dataplane/tcp/tcp_options.h"

namespace soundgate::perf {

class Traffic {
 public:
  static constexpr size_t kFrameBytes = 1'600;
  using Frame = std::array<std::byte, kFrameBytes>;

  explicit Traffic(size_t connection_count) : connections_(connection_count) {}

  size_t count() const { return connections_.size(); }

  // Writes a frame of a connection's end into `frame`, and counts its payload as sent. Returns its
  // length.
  size_t make(size_t connection, Side from, uint8_t flags, std::string_view payload, Frame& frame);

 private:
  struct Connection {
    uint32_t sent[2] = {1'000, 2'000};  // the next sequence number, by Side
  };

  std::vector<Connection> connections_;
};

}  // namespace soundgate::perf
