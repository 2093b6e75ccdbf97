// The packet path of one lcore: takes frames from either port and decides what goes on.
// No DPDK here, no clock, no system call: the lcore loop (or a test) hands everything in.
// Thread: the owning lcore, except where noted.  Memory: allocated by the constructor.
#pragma once

#include "dataplane/core.h"
#include "dataplane/gate/refuser.h"
#include "dataplane/gate/resource_answers.h"
#include "dataplane/gate/resumable_uploads.h"
#include "dataplane/gate/upload_gate.h"
#include "dataplane/http/request_reader.h"
#include "dataplane/tcp/client_path.h"
#include "dataplane/tcp/fragments.h"
#include "dataplane/tcp/handshake.h"
#include "dataplane/tcp/midstream.h"
#include "dataplane/tcp/mirrored.h"
#include "dataplane/tcp/origin_path.h"

namespace soundgate {

class Engine {
 public:
  Engine(const DataplaneConfig& config, const HashSeed& seed, unsigned lcore_index, PacketIo& io,
         UploadSink& sink, const CoreSizes& sizes = {}, SharedResources* shared = nullptr);

  // Each call comes with the time; it never goes back.
  void set_now(const Now& now) { core_.now = now; }

  // A frame came in. It may be changed in place.
  void on_frame(Side from, MutableBytes bytes);

  // The same in three steps, each for all frames of a burst before the next one begins, so that
  // what memory takes long to bring comes for one while others are looked at.
  Frame look(Side from, MutableBytes bytes);
  void fetch(const Frame& frame) const {
    if (frame.key_hash != 0) core_.flows.fetch_flow(frame.key_hash);
  }
  void on_frame(Side from, Frame& frame);

  // A copy of a frame came, from either end. It may be changed in place.
  void on_mirrored_frame(MutableBytes bytes);

  // Takes decisions that have come, and does what is due. Returns whether there was a decision.
  // To be called after every burst, and every kTimerPeriod at least.
  bool poll();

  // Ends every upload for the reason. No frame may follow.
  void shut_down(DataplaneReason reason = DataplaneReason::shutdown);

  void set_mode(Mode mode) {  // any thread
    if (!core_.mirrored()) core_.mode.store(mode, std::memory_order_relaxed);
  }
  const CoreCounters& counters() const { return core_.counters; }  // any thread

  // What is in use, for tests.
  size_t buffers_in_use() const { return core_.buffers.count() - core_.buffers.free_count(); }
  size_t uploads_in_use() const { return core_.uploads.live().size(); }
  size_t heads_in_use() const { return core_.heads.kept_count(); }
  size_t forms_in_use() const { return core_.forms.in_use(); }
  size_t resources_in_use() const { return core_.resources.in_use(); }
  size_t decoders_in_use() const { return core_.decoders.count() + core_.waiting.count(); }
  size_t places_in_use() const { return core_.places.count(); }
  size_t exchanges_in_use() const { return core_.exchanges.in_use(); }
  size_t seen_blocks_in_use() {
    return core_.resources.seen_pool().count() - core_.resources.seen_pool().free_count();
  }
  SharedResources& shared() { return core_.shared; }

 private:
  void on_tcp(Side from, Frame& frame);
  void on_client_frame(Frame& frame);
  void on_origin_frame(Frame& frame);
  bool is_put_off(Flow& flow, const Frame& frame);
  void on_ended(Flow& flow, Frame& frame);
  void after_segment(Flow& flow);
  void decide(const GateDecision& decision);
  void on_upload_timer(uint16_t slot);
  void on_stall(Flow& flow);
  bool is_stuck(Flow& flow);
  void scan_flows();
  void expire(Flow& flow);
  void count_held();

  Core core_;
  Refuser refuser_;
  ResourceLife resources_;
  ResourceAnswers answers_;
  ResumableUploads resumable_;
  UploadGate gate_;
  RequestReader reader_;
  ClientPath client_path_;
  OriginPath origin_path_;
  Handshake handshake_;
  Midstream midstream_;
  Mirrored mirrored_;
  Fragments fragments_;
  Tick next_timers_{};
  uint32_t back_pressure_count_ = 0;    // segments that might have been put off
  uint32_t scanned_ = 0;                // where the scan of the flow table is
  Tick oldest_midstream_{Tick::max()};  // found so far in this round of the scan
};

}  // namespace soundgate
