#include "control/port_watch.h"

namespace soundgate {
namespace {

// Single ones are damaged on the way, or made by somebody who tries things out.
constexpr uint64_t kOddFramesMin = 20;
constexpr uint64_t kOneOf = 1'000;

uint64_t odd_frames(const DataplaneCounters& counters) {
  return counters.bad_checksums + counters.frames_cut;
}

}  // namespace

std::string offload_advice(const DataplaneCounters& counters) {
  const uint64_t received = counters.client.received_packets + counters.origin.received_packets;
  const uint64_t odd = odd_frames(counters);
  if (odd < kOddFramesMin || odd * kOneOf < received) return "";
  return std::to_string(counters.bad_checksums) + " segments had bad checksums and " +
         std::to_string(counters.frames_cut) +
         " frames were cut: on virtual links, offloads are left on at the other end; there: "
         "ethtool -K DEV tx off tso off gso off gro off";
}

std::string PortWatch::look(const DataplaneCounters& counters, Time now) {
  const bool more = odd_frames(counters) >= odd_frames_ + kOddFramesMin;
  if (!more || now < quiet_until_) return "";
  std::string advice = offload_advice(counters);
  if (advice.empty()) return "";
  odd_frames_ = odd_frames(counters);
  quiet_until_ = now + kAgain;
  return advice;
}

}  // namespace soundgate
