// The dataplane as the rest of Soundgate sees it: configured once, started, switched, counted,
// stopped. It owns its lcore threads and everything on the packet path.
// Errors: text that says what and where (start-up only).
// Thread: any one thread may call this class; counters are read without stopping the lcores.
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <tl/expected.hpp>
#include <vector>

#include "dataplane/flow/symmetric_hash.h"
#include "dataplane/packet_capture.h"
#include "dataplane/upload.h"
#include "dataplane/upload_sink.h"

namespace soundgate {

// One [[inspect]] rule: an upload is inspected when one rule matches in all its parts.
struct InspectRule {
  std::vector<uint16_t> ports;       // origin's TCP ports; empty: any
  std::vector<std::string> hosts;    // glob with '*', case-insensitive; empty: any
  std::vector<std::string> paths;    // glob with '*' on the path without its query; empty: any
  std::vector<std::string> methods;  // "PUT", "POST", "PATCH"; empty: all three
  int64_t body_bytes_min = 0;        // smaller bodies pass unseen
};

class Intake;  // dataplane/gate/intake.h

enum class MidstreamPolicy : uint8_t { kResync, kReset, kPass };

// Where packets come from.
enum class Placement : uint8_t {
  kInline,  // through us, between two ports
  kTap,     // past us: one port sees copies of both directions, and nothing is sent
  kReplay,  // of a file: read no faster than it is inspected, at the time at which it was captured
};

struct DataplaneConfig {
  std::vector<std::string> eal_arguments;  // "--no-huge", "-m", "256", …
  // DPDK devices, "net_tap0,iface=sgc", "net_af_packet0,iface=vsgc", "0000:03:00.0";
  // client_port faces the clients, origin_port the origin.
  std::string client_port;
  std::string origin_port;
  Placement placement = Placement::kInline;
  std::string tap_port;      // kTap: the DPDK device
  std::string capture_file;  // kReplay: pcap or pcapng
  unsigned lcore_count = 1;  // that share the traffic, each with a queue pair where the ports can
  ShareBy share_by = ShareBy::kConnection;
  std::vector<int> lcores;    // CPUs to pin them to, one each; empty: not pinned
  size_t flows_max = 65'536;  // connections that each lcore follows

  std::vector<InspectRule> inspect;
  Mode mode = Mode::kObserve;
  std::string request_id_header = "X-Request-Id";
  std::string uploader_header = "X-Uploader";

  std::chrono::milliseconds hold_max{2000};
  int64_t tail_bytes = 1;  // held before the end of the body; at least the last byte
  int block_status = 403;  // 403 or 451
  std::string block_message = "This upload was refused.";
  MidstreamPolicy midstream = MidstreamPolicy::kResync;
  std::chrono::seconds resumable_idle{3600};  // then an upload that is not whole is over
  std::chrono::seconds refused_keep{86'400};  // so long parts of a blocked upload are refused
  // What happens to an upload for each reason, indexed by DataplaneReason.
  std::vector<FailAction> fail_policy;  // empty: the defaults of reasons.def
  // What the operator says of new uploads, while packets flow; null: that all are inspected.
  std::shared_ptr<Intake> intake;
};

std::vector<FailAction> default_fail_policy();

struct DataplaneCounters {
  struct Port {
    uint64_t received_packets, received_bytes, sent_packets, sent_bytes, dropped_packets;
  };
  Port client{}, origin{};
  uint64_t flows_open, flows_opened, flows_midstream_open;
  uint64_t uploads_begun, uploads_released, uploads_blocked, uploads_aborted;
  uint64_t packets_held, bytes_held;  // now
  std::vector<uint64_t> reasons;      // indexed by DataplaneReason
  double oldest_midstream_seconds = 0;
  uint64_t bad_checksums = 0;            // segments dropped for them
  uint64_t frames_cut = 0;               // of IP packets that are longer
  uint64_t conflicting_bytes = 0;        // of retransmissions, rewritten to what came first
  uint64_t segments_refused = 0;         // dropped for want of room, or because they made no sense
  uint64_t packets_handed_over = 0;      // between lcores
  uint64_t packets_not_handed_over = 0;  // dropped: their lcore had no room
  uint64_t flows_evicted = 0;            // open ones that made room for others
  uint64_t segments_put_off = 0;         // dropped to slow the senders of uploads down
  uint64_t frames_captured = 0;          // for operators who look at them
  uint64_t frames_not_captured = 0;      // lost: nobody took them in time
  std::vector<uint64_t> lcore_polls;     // of each lcore: counts up while it goes on
  uint64_t parts_refused = 0;            // requests about uploads that had been blocked
  uint64_t resources_open = 0;           // resumable uploads that are not whole, now
  uint64_t resources_idle = 0;           // of these: no part is on its way
};

class Dataplane {
 public:
  // Initialises the EAL (once a process), opens both ports and allocates all pools.
  // make_sink is called once per lcore, before it starts; the sinks outlive stop().
  using MakeSink = std::function<std::unique_ptr<UploadSink>(unsigned lcore_index)>;
  static tl::expected<std::unique_ptr<Dataplane>, std::string> create(const DataplaneConfig& config,
                                                                      const MakeSink& make_sink);
  virtual ~Dataplane() = default;  // stops

  // Before start(): packets that came while somebody else forwarded them are forgotten.
  virtual void discard_received() = 0;
  virtual void start() = 0;  // packets flow from here on
  // Uploads in flight are closed with the reason shutdown; held packets follow the fail policy.
  virtual void stop() = 0;

  // For uploads that begin after the call. What is only mirrored is observed, whatever is set.
  virtual void set_mode(Mode mode) = 0;
  // Parts of these uploads, which were blocked, are let through again. Whether any were refused.
  virtual bool lift_refusals(std::vector<UploadKey> uploads) = 0;
  // A replayed file has ended, and every upload in it is closed. Never true otherwise.
  virtual bool finished() const = 0;
  virtual DataplaneCounters counters() const = 0;

  // Error: there is one already, no room for any, or a replay (whose packets are in a file). The
  // capture ends before the dataplane does.
  virtual tl::expected<std::unique_ptr<PacketCapture>, std::string> begin_capture(
      const CaptureOrder& order) = 0;
};

}  // namespace soundgate
