// The wiring: every room, put together in the order in which it is needed, and taken apart in the
// opposite one.
//   store → decoders → dataplane → socket
// The decoders start before the EAL: a process must not be forked from one that holds its memory.
// Errors: Error, one line.  Thread: start and stop from one.
#pragma once

#include <memory>
#include <mutex>
#include <vector>

#include "control/api/http_server.h"
#include "control/api/services.h"
#include "control/bypass.h"
#include "control/config/config.h"
#include "control/drain_switch.h"
#include "control/inspection/bank_probes.h"
#include "control/inspection/file_decoder.h"
#include "control/inspection/lcore_sink.h"
#include "control/inspection/listener_switch.h"
#include "control/inspection/matcher_threads.h"
#include "control/inspection/overload_control.h"
#include "control/inspection/recorder.h"
#include "control/inspection/upload_matcher.h"
#include "control/mode_switch.h"
#include "control/skip_book.h"
#include "control/watchdog.h"

namespace soundgate {

class Daemon {
 public:
  static Result<std::unique_ptr<Daemon>> start(const Config& config);
  ~Daemon();  // stops: socket, packets, decoders, records

  // New uploads pass unchecked from here on, so that those in flight can come to their end.
  void drain(const std::string& reason);
  bool has_uploads_in_flight() const;
  // Whether every thread goes on; and what is done about load; to be asked four
  // times a second. What does not go on is logged.
  bool is_well();

 private:
  explicit Daemon(const Config& config) : config_(config) {}
  Result<void> open_store();
  Result<void> start_decoders();
  UploadMatcher::OnRecognised closer_looks();
  Result<void> start_packets();
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
  std::unique_ptr<Recorder> recorder_;
  std::unique_ptr<UploadMatcher> matcher_;
  std::unique_ptr<MatcherThreads> matcher_threads_;
  std::unique_ptr<ListenerSwitch> listener_;
  std::unique_ptr<DecoderPool> decoders_;
  std::mutex closer_mutex_;
  DecoderPool* closer_ = nullptr;  // decoders_, while matchers may ask them to look closer
  ModeRecord mode_at_start_;
  const std::shared_ptr<Intake> intake_ = std::make_shared<Intake>();
  std::unique_ptr<Bypass> bypass_;
  std::unique_ptr<DrainSwitch> drain_;
  std::unique_ptr<SkipBook> skips_;
  std::unique_ptr<Dataplane> dataplane_;
  std::unique_ptr<ModeSwitch> mode_;
  std::unique_ptr<OverloadControl> overload_;
  std::unique_ptr<Services> services_;
  Watchdog watchdog_;
  std::vector<std::string> stuck_;  // that were logged
};

}  // namespace soundgate
