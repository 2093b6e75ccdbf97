// Runs the dataplane alone, with a sink that blocks uploads whose body contains a marker:
//   run_dataplane CLIENT_PORT ORIGIN_PORT observe|enforce MARKER DELAY_MS [TAIL_BYTES [LCORES [CPU]]]
// until SIGTERM or SIGINT. Prints each upload, and the counters at the end.
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <memory>

#include "dataplane/dataplane.h"
#include "tests/dataplane/marker_sink.h"

namespace {

using soundgate::Dataplane;
using soundgate::DataplaneConfig;
using soundgate::DataplaneCounters;

void print(const DataplaneCounters& counters) {
  const auto port = [](const char* side, const DataplaneCounters::Port& counts) {
    std::printf("%s: received %lu sent %lu dropped %lu\n", side, counts.received_packets,
                counts.sent_packets, counts.dropped_packets);
  };
  port("client", counters.client);
  port("origin", counters.origin);
  std::printf(
      "flows opened %lu, open %lu, midstream %lu; uploads begun %lu released %lu blocked %lu "
      "aborted %lu; bad checksums %lu, conflicting bytes %lu, refused %lu\n",
      counters.flows_opened, counters.flows_open, counters.flows_midstream_open,
      counters.uploads_begun, counters.uploads_released, counters.uploads_blocked,
      counters.uploads_aborted, counters.bad_checksums, counters.conflicting_bytes,
      counters.segments_refused);
  std::printf("frames cut %lu\n", counters.frames_cut);
  std::printf("handed over between lcores %lu, dropped there %lu\n", counters.packets_handed_over,
              counters.packets_not_handed_over);
  for (size_t i = 1; i < counters.reasons.size(); ++i) {
    const auto reason = static_cast<soundgate::DataplaneReason>(i);
    if (counters.reasons[i] > 0) {
      std::printf("%s %lu\n", std::string(name(reason)).c_str(), counters.reasons[i]);
    }
  }
}

}  // namespace

int main(int argc, char** argv) {
  if (argc < 6) return 2;
  DataplaneConfig config;
  config.eal_arguments = {"--no-huge", "-m", "256"};
  const char* telemetry = std::getenv("SOUNDGATE_TELEMETRY");  // name of its socket's directory
  config.eal_arguments.push_back(telemetry ? std::string("--file-prefix=") + telemetry
                                           : "--no-telemetry");
  config.client_port = argv[1];
  config.origin_port = argv[2];
  config.mode =
      std::string(argv[3]) == "enforce" ? soundgate::Mode::kEnforce : soundgate::Mode::kObserve;
  config.inspect = {soundgate::InspectRule{{80}, {}, {}, {}, 0}};
  if (argc > 6) config.tail_bytes = std::atoll(argv[6]);
  if (argc > 7) config.lcore_count = static_cast<unsigned>(std::atoi(argv[7]));
  if (argc > 8) config.lcores = {std::atoi(argv[8])};
  const std::chrono::milliseconds delay(std::atoi(argv[5]));

  sigset_t signals;
  sigemptyset(&signals);
  sigaddset(&signals, SIGTERM);
  sigaddset(&signals, SIGINT);
  pthread_sigmask(SIG_BLOCK, &signals, nullptr);
  auto dataplane = Dataplane::create(config, [&](unsigned) {
    return std::make_unique<soundgate::test::MarkerSink>(argv[4], delay, true);
  });
  if (!dataplane) {
    std::fprintf(stderr, "%s\n", dataplane.error().c_str());
    return 1;
  }
  (*dataplane)->start();
  std::puts("running");
  std::fflush(stdout);
  int signal = 0;
  sigwait(&signals, &signal);
  (*dataplane)->stop();
  print((*dataplane)->counters());
}
