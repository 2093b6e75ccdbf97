// One capture after the other, of what FrameCapture copies, as PcapngWriter writes it.
// Errors: text.  Thread: begin() by any, one at a time; the captures as PacketCapture says.
// Memory: of the EAL, allocated by open(); where there is none, begin() says so.
#pragma once

#include <atomic>
#include <memory>
#include <string>

#include "dataplane/packet_capture.h"
#include "dataplane/port/frame_capture.h"

namespace soundgate {

class CaptureSession {
 public:
  CaptureSession() = default;
  CaptureSession(const CaptureSession&) = delete;
  CaptureSession& operator=(const CaptureSession&) = delete;
  ~CaptureSession();  // no lcore may be running, nor a capture

  void open(unsigned lcore_count);
  // Null where there is no memory: then nothing is captured.
  CapturePoint* add_point(uint16_t port, std::optional<Side> side, unsigned lcore_index);
  tl::expected<std::unique_ptr<PacketCapture>, std::string> begin(const CaptureOrder& order);
  // Since the start, of all captures.
  CaptureCounts counts() const;

 private:
  class Running;

  FrameCapture frames_;
  rte_mempool* block_pool_ = nullptr;
  std::string why_none_;  // there is no memory
  std::atomic<bool> running_{false};
};

}  // namespace soundgate
