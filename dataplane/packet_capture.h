// The frames of a client as they come in (and go out), while an operator wants to see them: a
// pcapng file in pieces. At most one capture at a time.
// The lcores copy; what finds no room because nobody takes it is lost and counted. Never do they
// wait, and no packet is the worse for it.
// Errors: text.  Thread: one at a time; counts() and stop() from any.
// Memory: of the EAL, allocated by Dataplane::create; take() and add_statistics() append to what
// they are given: at most kCaptureBlocksBytesMax.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <tl/expected.hpp>
#include <vector>

#include "dataplane/limits.h"
#include "dataplane/port/capture_filter.h"

namespace soundgate {

struct CaptureOrder {
  CaptureFilter filter{};
  bool sent = false;  // also the frames that are sent, as they are then: each is there twice
  size_t frame_bytes_max = kFrameBytesMax;  // of each; what is behind is left out
  std::string comment{};                    // in the head of the file, UTF-8
};

struct CaptureCounts {
  uint64_t frames = 0;       // taken
  uint64_t lost_frames = 0;  // that found no room
};

class PacketCapture {
 public:
  virtual ~PacketCapture() = default;  // ends it; what was not taken is forgotten

  // Appends whole blocks: first the head of the file, then frames in the order in which each lcore
  // saw them, kBurstFrames at most. False: there is nothing now.
  virtual tl::expected<bool, std::string> take(std::vector<std::byte>& blocks) = 0;
  // Appends a block for each port: how many frames there were up to now, and how many were lost.
  virtual tl::expected<void, std::string> add_statistics(std::vector<std::byte>& blocks) = 0;
  // From here on nothing more is captured; what was can still be taken.
  virtual void stop() = 0;
  virtual CaptureCounts counts() const = 0;
};

}  // namespace soundgate
