#include "dataplane/port/capture_session.h"

#include <rte_errno.h>
#include <rte_mbuf.h>
#include <rte_mempool.h>

#include <array>
#include <map>
#include <utility>

#include "dataplane/port/pcapng_writer.h"

namespace soundgate {
namespace {

// Two bursts: what is written, and what a block may need beside its frame.
constexpr unsigned kBlocks = 2 * kBurstFrames - 1;
constexpr uint16_t kBlockRoomBytes = RTE_PKTMBUF_HEADROOM + kFrameBytesMax + 128;
static_assert(sizeof(rte_mbuf) + kBlockRoomBytes + 128 <= kCapturedFrameBytes);

using CountsByPort = std::map<uint16_t, CaptureCounts>;

CountsByPort counts_by_port(const FrameCapture& frames) {
  CountsByPort counts;
  for (const auto& point : frames.points()) {
    counts[point->port()].frames += point->copied().get();
    counts[point->port()].lost_frames += point->lost().get();
  }
  return counts;
}

}  // namespace

class CaptureSession::Running final : public PacketCapture {
 public:
  Running(CaptureSession& session, std::unique_ptr<PcapngWriter> writer)
      : session_(session), before_(counts_by_port(session.frames_)), writer_(std::move(writer)) {}
  ~Running() override {
    session_.frames_.end();
    session_.frames_.forget();  // a copy that still comes now is told by its capture's number
    session_.running_ = false;
  }

  tl::expected<bool, std::string> take(std::vector<std::byte>& blocks) override {
    std::array<rte_mbuf*, kBurstFrames> copies;
    const size_t count = session_.frames_.take(copies);
    const bool is_first = !std::exchange(began_, true);
    if (count > 0) {
      if (auto added = writer_->add(std::span(copies).first(count)); !added) {
        return tl::unexpected(added.error());
      }
      taken_.fetch_add(count, std::memory_order_relaxed);
    }
    if (count == 0 && !is_first) return false;
    return writer_->move_to(blocks).map([] { return true; });
  }

  tl::expected<void, std::string> add_statistics(std::vector<std::byte>& blocks) override {
    for (const auto& [port, now] : counts_by_port(session_.frames_)) {
      const CaptureCounts& then = before_.at(port);
      const uint64_t lost = now.lost_frames - then.lost_frames;
      auto added = writer_->add_statistics(port, now.frames - then.frames + lost, lost);
      if (!added) return added;
    }
    began_ = true;
    return writer_->move_to(blocks);
  }

  void stop() override { session_.frames_.end(); }

  CaptureCounts counts() const override {
    CaptureCounts counts{taken_.load(std::memory_order_relaxed), 0};
    for (const auto& [port, now] : counts_by_port(session_.frames_)) {
      counts.lost_frames += now.lost_frames - before_.at(port).lost_frames;
    }
    return counts;
  }

 private:
  CaptureSession& session_;
  const CountsByPort before_;
  const std::unique_ptr<PcapngWriter> writer_;
  bool began_ = false;
  std::atomic<uint64_t> taken_{0};
};

CaptureSession::~CaptureSession() { rte_mempool_free(block_pool_); }

void CaptureSession::open(unsigned lcore_count) {
  if (auto opened = frames_.open(lcore_count); !opened) {
    why_none_ = opened.error();
    return;
  }
  block_pool_ =
      rte_pktmbuf_pool_create("soundgate_blocks", kBlocks, 0, 0, kBlockRoomBytes, SOCKET_ID_ANY);
  if (block_pool_ == nullptr) {
    why_none_ = "no memory for captured packets (" + std::string(rte_strerror(rte_errno)) +
                "): give the EAL more with -m";
  }
}

CapturePoint* CaptureSession::add_point(uint16_t port, std::optional<Side> side,
                                        unsigned lcore_index) {
  return why_none_.empty() ? &frames_.add_point(port, side, lcore_index) : nullptr;
}

tl::expected<std::unique_ptr<PacketCapture>, std::string> CaptureSession::begin(
    const CaptureOrder& order) {
  if (!why_none_.empty()) return tl::unexpected(why_none_);
  if (running_.exchange(true)) return tl::unexpected(std::string("a capture runs already"));
  auto writer = PcapngWriter::open(order.comment.substr(0, kCaptureCommentBytesMax), block_pool_);
  if (!writer) {
    running_ = false;
    return tl::unexpected(writer.error());
  }
  auto capture = std::make_unique<Running>(*this, std::move(*writer));
  frames_.begin(order);
  return capture;
}

CaptureCounts CaptureSession::counts() const {
  CaptureCounts sum;
  for (const auto& [port, counts] : counts_by_port(frames_)) {
    sum.frames += counts.frames;
    sum.lost_frames += counts.lost_frames;
  }
  return sum;
}

}  // namespace soundgate
