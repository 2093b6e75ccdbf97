// The wiring: every room, put together in the order in which it is needed, and taken apart in the
// opposite one.
//   store → decoders → dataplane → socket
// The decoders start before the EAL: a process must not be forked from one that holds its memory.
// Errors: Error, one line.  Thread: start and stop from one.
#pragma once

#include <memory>
#include <vector>

#include "control/api/http_server.h"
#include "control/api/services.h"
#include "control/bypass.h"
#include "control/captures.h"
#include "control/config/config.h"
#include "control/drain_switch.h"
#include "control/inspection/bank_probes.h"
#include "control/inspection/closer_looks.h"
#include "control/inspection/file_decoder.h"
#include "control/inspection/lcore_sink.h"
#include "control/inspection/listener_switch.h"
#include "control/inspection/matcher_threads.h"
#include "control/inspection/overload_control.h"
#include "control/inspection/recorder.h"
#include "control/inspection/upload_matcher.h"
#include "control/mode_switch.h"
#include "control/port_watch.h"
#include "control/skip_book.h"
#include "control/watchdog.h"

namespace soundgate {

class Daemon {
 public:
  static Result<std::unique_ptr<Daemon>> start(const Config& config);
  ~Daemon();  // stops: socket, packets, decoders, records

  // Says in the log what an operator should know of the ports; once a second is enough.
  void watch_ports();

  // A replayed capture has ended, and the verdicts on all of its uploads are there.
  bool replayed() const;
  // Then: whether all that the capture has could be read.
  bool replayed_whole() const;

  // New uploads pass unchecked from here on, so that those in flight can come to their end.
  void drain(const std::string& reason);
  bool has_uploads_in_flight() const;
  // From here on nothing of it answers or forwards, and others may. What is left to do is the end.
  void leave();
  // Whether every thread goes on; and what is done about load; to be asked four
  // times a second. What does not go on is logged.
  bool is_well();

 private:
  explicit Daemon(const Config& config) : config_(config) {}
  bool mirrors() const {
    return config_.dataplane && config_.dataplane->placement != Placement::kInline;
  }
  Result<void> open_store();
  Result<void> start_decoders();
  UploadMatcher::OnCandidate on_candidate();
  Result<void> start_packets();
  Result<void> take_over(const DataplaneConfig& packets);
  void serve();
  void watch_threads();

  Config config_;
  Router starting_router_, router_;
  std::unique_ptr<HttpServer> server_;
  std::unique_ptr<Index> index_;
  std::unique_ptr<DecisionStore> decisions_;
  std::vector<std::unique_ptr<UploadChannel>> channels_;
  std::unique_ptr<FileDecoder> files_;
  std::unique_ptr<BankProbes> probes_;
  RefusedUploads refused_;
  std::unique_ptr<Recorder> recorder_;
  std::unique_ptr<UploadMatcher> matcher_;
  std::unique_ptr<MatcherThreads> matcher_threads_;
  std::unique_ptr<ListenerSwitch> listener_;
  std::unique_ptr<DecoderPool> decoders_;
  CloserLooks closer_looks_;  // at decoders_
  ModeRecord mode_at_start_;
  const std::shared_ptr<Intake> intake_ = std::make_shared<Intake>();
  std::unique_ptr<Bypass> bypass_;
  std::unique_ptr<DrainSwitch> drain_;
  std::unique_ptr<SkipBook> skips_;
  std::unique_ptr<Dataplane> dataplane_;
  std::unique_ptr<Captures> captures_;
  std::unique_ptr<ModeSwitch> mode_;
  std::unique_ptr<OverloadControl> overload_;
  std::unique_ptr<Services> services_;
  PortWatch port_watch_;
  Watchdog watchdog_;
  std::vector<std::string> stuck_;  // that were logged
  bool left_ = false;
};

}  // namespace soundgate
