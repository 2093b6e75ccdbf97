#include "dataplane/port/frame_capture.h"

#include <rte_errno.h>
#include <rte_mbuf.h>
#include <rte_mempool.h>

#include <algorithm>
#include <new>

namespace soundgate {
namespace {

constexpr uint16_t kPrivateBytes = RTE_ALIGN(sizeof(CapturedFrame), RTE_MBUF_PRIV_ALIGN);
constexpr uint16_t kRoomBytes = RTE_PKTMBUF_HEADROOM + kFrameBytesMax;
// A mempool's own header, and what it aligns to.
static_assert(sizeof(rte_mbuf) + kPrivateBytes + kRoomBytes + 128 <= kCapturedFrameBytes);

std::chrono::nanoseconds wall_clock() {
  return std::chrono::system_clock::now().time_since_epoch();
}

}  // namespace

CapturedFrame& captured(rte_mbuf& copy) {
  return *static_cast<CapturedFrame*>(rte_mbuf_to_priv(&copy));
}

// Which end has sent a packet follows from the port, and from whether it goes in or out there.
CapturePoint::Copies CapturePoint::copy(std::span<rte_mbuf* const> packets, bool sent) {
  Copies copies{};
  const Published<WantedFrames>::Reading wanted(capture_.wanted_, lcore_index_);
  if (wanted.get() == nullptr || (sent && !wanted.get()->sent)) return copies;
  std::optional<Side> from = side_;
  if (from && sent) from = other(*from);
  const std::chrono::nanoseconds time = wall_clock();
  for (size_t i = 0; i < packets.size(); ++i) {
    const rte_mbuf& packet = *packets[i];
    const MutableBytes bytes{rte_pktmbuf_mtod(&packet, std::byte*), packet.data_len};
    if (wanted.get()->filter.matches(bytes, from)) {
      copies[i] = copy(*wanted.get(), packet, sent, time);
    }
  }
  return copies;
}

rte_mbuf* CapturePoint::copy(const WantedFrames& wanted, const rte_mbuf& packet, bool sent,
                             std::chrono::nanoseconds time) {
  rte_mbuf* copy = rte_pktmbuf_copy(&packet, capture_.pool_, 0, wanted.frame_bytes_max);
  if (copy == nullptr) {
    lost_.add();
    return nullptr;
  }
  new (&captured(*copy)) CapturedFrame{time, wanted.capture, packet.pkt_len, port_, sent};
  return copy;
}

void CapturePoint::on_received(std::span<rte_mbuf* const> packets) {
  keep(copy(packets, false), packets.size());
}

CapturePoint::Copies CapturePoint::copy_for_sending(std::span<rte_mbuf* const> packets) {
  return copy(packets, true);
}

void CapturePoint::keep(const Copies& copies, size_t count) {
  std::array<rte_mbuf*, kBurstFrames> kept;
  size_t kept_count = 0;
  for (size_t i = 0; i < copies.size(); ++i) {
    if (copies[i] == nullptr) continue;
    if (i < count) {
      kept[kept_count++] = copies[i];
    } else {
      rte_pktmbuf_free(copies[i]);
    }
  }
  if (kept_count == 0) return;
  const size_t taken = capture_.copies_.put(lcore_index_, std::span(kept).first(kept_count));
  copied_.add(taken);
  for (size_t i = taken; i < kept_count; ++i) {  // each ring is as large as the pool: never
    rte_pktmbuf_free(kept[i]);
    lost_.add();
  }
}

FrameCapture::~FrameCapture() {
  forget();
  rte_mempool_free(pool_);
}

tl::expected<void, std::string> FrameCapture::open(unsigned lcore_count) {
  // Without locks, nor an order to be kept: nobody waits here for a thread that is preempted.
  pool_ =
      rte_pktmbuf_pool_create_by_ops("soundgate_capture", kCapturedFramesMax, kCapturedFrameCache,
                                     kPrivateBytes, kRoomBytes, SOCKET_ID_ANY, "lf_stack");
  if (pool_ == nullptr) {
    return tl::unexpected("no memory for captured packets (" +
                          std::string(rte_strerror(rte_errno)) + "): give the EAL more with -m");
  }
  return copies_.open("soundgate_capture", lcore_count, kCapturedFramesMax + 1);
}

CapturePoint& FrameCapture::add_point(uint16_t port, std::optional<Side> side,
                                      unsigned lcore_index) {
  points_.push_back(std::make_unique<CapturePoint>(*this, port, side, lcore_index));
  return *points_.back();
}

void FrameCapture::begin(const CaptureOrder& order) {
  auto wanted = std::make_unique<WantedFrames>();
  wanted->capture = ++number_;
  wanted->filter = order.filter;
  wanted->sent = order.sent;
  wanted->frame_bytes_max = static_cast<uint32_t>(
      std::clamp(order.frame_bytes_max, kCaptureFrameBytesMin, kFrameBytesMax));
  wanted_.publish(std::move(wanted));
  on_.store(true, std::memory_order_release);
}

size_t FrameCapture::take(std::span<rte_mbuf*> copies) {
  size_t kept = 0;
  while (kept == 0) {
    const size_t count = copies_.take(copies);
    if (count == 0) return 0;
    for (rte_mbuf* copy : copies.first(count)) {
      if (captured(*copy).capture == number_) {
        copies[kept++] = copy;
      } else {
        rte_pktmbuf_free(copy);
      }
    }
  }
  return kept;
}

void FrameCapture::forget() {
  std::array<rte_mbuf*, kBurstFrames> copies;
  while (const size_t count = take(copies)) {
    for (size_t i = 0; i < count; ++i) rte_pktmbuf_free(copies[i]);
  }
}

}  // namespace soundgate
