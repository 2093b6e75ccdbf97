// Copies the frames that an operator wants to see, on the lcores that receive and send them, and
// hands the copies over to whoever writes them.
// Thread: a CapturePoint belongs to its lcore; the rest to one thread at a time that is none.
// Memory: one pool for all lcores, allocated by open(). A copy that finds no room there is lost and
// counted; nobody ever waits.
#pragma once

#include <array>
#include <atomic>
#include <chrono>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <tl/expected.hpp>
#include <vector>

#include "dataplane/counters.h"
#include "dataplane/limits.h"
#include "dataplane/packet_capture.h"
#include "dataplane/port/handover.h"
#include "dataplane/published.h"

struct rte_mbuf;
struct rte_mempool;

namespace soundgate {

// What goes along with a copy, in its mbuf.
struct CapturedFrame {
  std::chrono::nanoseconds time{};  // since the epoch
  uint32_t capture = 0;             // its number: copies may come when it is over
  uint32_t frame_bytes = 0;         // on the wire, where the copy was cut
  uint16_t port = 0;
  bool sent = false;
};

CapturedFrame& captured(rte_mbuf& copy);

// What is wanted now; lcores read it.
struct WantedFrames {
  uint32_t capture = 0;
  CaptureFilter filter;
  bool sent = false;
  uint32_t frame_bytes_max = 0;
};

class FrameCapture;

// Where one lcore's packets of one port pass.
class CapturePoint {
 public:
  // By burst: null where the packet is not wanted, or its copy found no room.
  using Copies = std::array<rte_mbuf*, kBurstFrames>;

  // side: whom the port faces; none: both, as a mirror does.
  CapturePoint(FrameCapture& capture, uint16_t port, std::optional<Side> side, unsigned lcore_index)
      : capture_(capture), port_(port), side_(side), lcore_index_(lcore_index) {}

  bool is_on() const;
  void on_received(std::span<rte_mbuf* const> packets);
  // Before they are sent, since they are gone then; at most kBurstFrames. Then keep() as many as
  // were.
  Copies copy_for_sending(std::span<rte_mbuf* const> packets);
  void keep(const Copies& copies, size_t count);

  uint16_t port() const { return port_; }
  const Counter& copied() const { return copied_; }
  const Counter& lost() const { return lost_; }

 private:
  Copies copy(std::span<rte_mbuf* const> packets, bool sent);
  rte_mbuf* copy(const WantedFrames& wanted, const rte_mbuf& packet, bool sent,
                 std::chrono::nanoseconds time);

  FrameCapture& capture_;
  const uint16_t port_;
  const std::optional<Side> side_;
  const unsigned lcore_index_;
  Counter copied_;
  Counter lost_;
};

class FrameCapture {
 public:
  FrameCapture() = default;
  FrameCapture(const FrameCapture&) = delete;
  FrameCapture& operator=(const FrameCapture&) = delete;
  ~FrameCapture();  // no lcore may be running

  tl::expected<void, std::string> open(unsigned lcore_count);
  // Before the lcores start.
  CapturePoint& add_point(uint16_t port, std::optional<Side> side, unsigned lcore_index);
  std::span<const std::unique_ptr<CapturePoint>> points() const { return points_; }

  void begin(const CaptureOrder& order);
  void end() { on_.store(false, std::memory_order_relaxed); }
  // Copies of the current capture, which the caller frees. What is left of an earlier one goes.
  size_t take(std::span<rte_mbuf*> copies);
  void forget();  // what was not taken

 private:
  friend class CapturePoint;

  alignas(64) std::atomic<bool> on_{false};  // all that lcores look at while nothing is wanted
  alignas(64) Published<WantedFrames> wanted_;
  uint32_t number_ = 0;  // of the current capture
  rte_mempool* pool_ = nullptr;
  Handover copies_;  // a ring of each lcore's: in one, an lcore that is preempted stops the others
  std::vector<std::unique_ptr<CapturePoint>> points_;
};

inline bool CapturePoint::is_on() const { return capture_.on_.load(std::memory_order_relaxed); }

}  // namespace soundgate
