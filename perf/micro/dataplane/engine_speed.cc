// How fast one lcore's engine is, on ports that are memory: no driver, no wire.
// usage: micro_engine [--check] [FLOWS]
//   tracked: connections to an inspected port that do not upload: a GET, its response in four full
//     segments, and an acknowledgment for each two. Each packet is of another connection than the
//     one before, in random order: of 1,000, and of FLOWS (1,000,000), 65,536 of them at a time.
//   upload: PUTs of 64 connections in full segments, in turns, acknowledged every second one; the
//     sink copies the body.
//   --check: exits 1 unless tracked traffic makes 5 Mpps with 1,000 connections and costs no more
//     than twice as much with FLOWS, and uploads make 10 Gb/s.
// Frames are made in bursts that the caches hold, as a card would have put them there; only the
// engine's share of the thread's CPU time counts. The best of several rounds: others may be on the
// machine.
#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <ctime>
#include <memory>
#include <numeric>
#include <random>
#include <string>
#include <string_view>
#include <vector>

#include "dataplane/engine.h"
#include "perf/micro/dataplane/traffic.h"

namespace {

using namespace soundgate;
using perf::Traffic;

constexpr double kMppsMin = 5;
constexpr double kGrowthMax = 2;
constexpr double kGbpsMin = 10;
constexpr size_t kFewFlows = 1'000;
constexpr size_t kManyFlows = 1'000'000;
constexpr size_t kSegmentBytes = 1'448;
constexpr size_t kAtOnce = 65'536;  // connections that wait for a response: more than caches hold
constexpr int kRounds = 5;

// Counts, and lets the frames fall.
class NoWire final : public PacketIo {
 public:
  void forward(Side, size_t) override { ++forwarded; }
  void send(Side, std::span<const std::byte>) override { ++sent; }
  uint64_t forwarded = 0;
  uint64_t sent = 0;
};

// Copies what it gets into a ring that no cache holds, as the decoders' memory is.
class CopyingSink final : public UploadSink {
 public:
  SinkResult begin(const UploadStart&) override { return SinkResult::kTaken; }
  SinkResult append(UploadKey, std::span<const std::byte> body) override {
    if (at_ + body.size() > ring_.size()) at_ = 0;
    std::memcpy(ring_.data() + at_, body.data(), body.size());
    at_ += body.size();
    bytes += body.size();
    return SinkResult::kTaken;
  }
  void finish(UploadKey, WallTime) override {}
  void gate_closed(const GateReport&) override {}
  size_t poll_decisions(std::span<GateDecision>) override { return 0; }
  uint64_t bytes = 0;

 private:
  std::vector<std::byte> ring_ = std::vector<std::byte>(256u << 20);
  size_t at_ = 0;
};

double thread_seconds() {
  timespec time{};
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time);
  return static_cast<double>(time.tv_sec) + 1e-9 * static_cast<double>(time.tv_nsec);
}

DataplaneConfig enforcing() {
  DataplaneConfig config;
  config.mode = Mode::kEnforce;
  config.inspect = {InspectRule{{80}, {}, {}, {}, 0}};
  return config;
}

// One engine with connections through it.
class Bench {
 public:
  explicit Bench(size_t flows)
      : traffic_(flows),
        engine_(enforcing(), HashSeed{1, 2}, 0, wire, sink,
                CoreSizes{.flows = flows, .buffers = 4 * kAtOnce}),
        order_(flows) {
    std::iota(order_.begin(), order_.end(), size_t{0});
    std::ranges::shuffle(order_, std::mt19937_64(1));
    for (const std::span<const size_t> group : groups()) {
      pass(group, Side::kClient, kSyn, "");
      pass(group, Side::kOrigin, kSyn | kAck, "");
      pass(group, Side::kClient, kAck, "");
    }
    reset();
  }

  // All connections in random order, kAtOnce at a time.
  std::vector<std::span<const size_t>> groups() const {
    std::vector<std::span<const size_t>> groups;
    for (std::span<const size_t> left(order_); !left.empty();) {
      groups.push_back(left.first(std::min(left.size(), kAtOnce)));
      left = left.subspan(groups.back().size());
    }
    return groups;
  }

  // A frame of each of these connections.
  void pass(std::span<const size_t> connections, Side from, uint8_t flags,
            std::string_view payload) {
    for (const size_t connection : connections) put(connection, from, flags, payload);
    run();
  }

  // The same, and how many seconds that took.
  double timed(std::span<const size_t> connections, Side from, uint8_t flags,
               std::string_view payload) {
    reset();
    pass(connections, from, flags, payload);
    return seconds;
  }

  // All frames went on.
  bool lost_none() const { return wire.forwarded == packets_in_all_; }

  void put(size_t connection, Side from, uint8_t flags, std::string_view payload) {
    Slot& slot = burst_[waiting_++];
    slot.from = from;
    slot.byte_count = traffic_.make(connection, from, flags, payload, slot.bytes);
    if (waiting_ == burst_.size()) run();
  }

  // What waits, through the engine; timed.
  void run() {
    const double begin = thread_seconds();
    engine_.set_now({std::chrono::steady_clock::now().time_since_epoch(), WallTime{}});
    for (size_t i = 0; i < waiting_; ++i) {
      const MutableBytes bytes = MutableBytes(burst_[i].bytes).first(burst_[i].byte_count);
      frames_[i] = engine_.look(burst_[i].from, bytes);
    }
    for (size_t i = 0; i < waiting_; ++i) engine_.fetch(frames_[i]);
    for (size_t i = 0; i < waiting_; ++i) engine_.on_frame(burst_[i].from, frames_[i]);
    engine_.poll();
    seconds += thread_seconds() - begin;
    packets_in_all_ += waiting_;
    waiting_ = 0;
  }

  void reset() {
    seconds = 0;
    sink.bytes = 0;
  }

  NoWire wire;
  CopyingSink sink;
  double seconds = 0;

 private:
  struct Slot {
    Side from{};
    size_t byte_count = 0;
    Traffic::Frame bytes{};
  };

  Traffic traffic_;
  Engine engine_;
  std::vector<size_t> order_;
  std::array<Slot, kBurstFrames> burst_;
  std::array<Frame, kBurstFrames> frames_;
  size_t waiting_ = 0;
  uint64_t packets_in_all_ = 0;
};

// Seconds a packet, by kind and over all.
struct Costs {
  double request = 1, response_head = 1, response = 1, acknowledgment = 1, average = 1;
};

Costs tracked(size_t flows) {
  constexpr size_t kResponseSegments = 4;
  const std::string request =
      "GET /some/path/to/a/file.html?with=query HTTP/1.1\r\nHost: upload.example\r\n"
      "User-Agent: bench/1.0\r\nAccept: */*\r\n\r\n";
  std::string head = "HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nContent-Length: 5726\r\n\r\n";
  head.resize(kSegmentBytes, 'x');
  const std::string full(kSegmentBytes, 'x');
  Bench bench(flows);
  Costs best;
  const size_t passes = std::max<size_t>(1, 100'000 / flows);
  for (int round = 0; round < kRounds; ++round) {
    Costs sum{0, 0, 0, 0, 0};
    for (size_t i = 0; i < passes; ++i) {
      for (const std::span<const size_t> group : bench.groups()) {
        sum.request += bench.timed(group, Side::kClient, kAck | kPsh, request);
        sum.response_head += bench.timed(group, Side::kOrigin, kAck, head);
        sum.response += bench.timed(group, Side::kOrigin, kAck, full);
        sum.acknowledgment += bench.timed(group, Side::kClient, kAck, "");
        sum.response += bench.timed(group, Side::kOrigin, kAck, full);
        sum.response += bench.timed(group, Side::kOrigin, kAck, full);
        sum.acknowledgment += bench.timed(group, Side::kClient, kAck, "");
      }
    }
    if (!bench.lost_none()) std::exit(EXIT_FAILURE);
    const auto each = static_cast<double>(passes * flows);
    const double all = sum.request + sum.response_head + sum.response + sum.acknowledgment;
    best.request = std::min(best.request, sum.request / each);
    best.response_head = std::min(best.response_head, sum.response_head / each);
    best.response = std::min(best.response, sum.response / each / (kResponseSegments - 1));
    best.acknowledgment = std::min(best.acknowledgment, sum.acknowledgment / each / 2);
    best.average = std::min(best.average, all / each / (kResponseSegments + 3));
  }
  return best;
}

// Body bytes a second.
double upload() {
  constexpr size_t kConnections = 64;
  constexpr size_t kSegmentsEach = 4'000;
  const std::string head =
      "PUT /song.mp3 HTTP/1.1\r\nHost: upload.example\r\nContent-Length: 1000000000000\r\n\r\n";
  const std::string segment(kSegmentBytes, 'x');
  Bench bench(kConnections);
  const std::span<const size_t> all = bench.groups().front();
  bench.pass(all, Side::kClient, kAck | kPsh, head);
  double best = 0;
  for (int round = 0; round < kRounds; ++round) {
    bench.reset();
    for (size_t i = 0; i < kSegmentsEach; ++i) {
      bench.pass(all, Side::kClient, kAck, segment);
      if (i % 2 == 1) bench.pass(all, Side::kOrigin, kAck, "");
    }
    best = std::max(best, static_cast<double>(bench.sink.bytes) / bench.seconds);
  }
  return best;
}

}  // namespace

int main(int argc, char** argv) {
  const bool check = argc > 1 && std::string_view(argv[1]) == "--check";
  const int flows_at = check ? 2 : 1;
  const size_t many = argc > flows_at ? std::strtoull(argv[flows_at], nullptr, 10) : kManyFlows;
  const Costs few = tracked(kFewFlows);
  const Costs more = tracked(many);
  const double gbps = upload() * 8e-9;
  const double mpps = 1e-6 / few.average;
  const double growth = more.average / few.average;
  std::printf("tracked, ns a packet   request  response's head  response  acknowledgment  all\n");
  for (const auto& [flows, costs] : {std::pair(kFewFlows, few), std::pair(many, more)}) {
    std::printf("%8zu connections   %7.1f  %15.1f  %8.1f  %14.1f  %5.1f\n", flows,
                costs.request * 1e9, costs.response_head * 1e9, costs.response * 1e9,
                costs.acknowledgment * 1e9, costs.average * 1e9);
  }
  std::printf("tracked   %.2f Mpps with %zu connections; %.2f times the cost with %zu\n", mpps,
              kFewFlows, growth, many);
  std::printf("upload    %.1f Gb/s copied out in order\n", gbps);
  const bool kept = mpps >= kMppsMin && growth <= kGrowthMax && gbps >= kGbpsMin;
  return check && !kept ? 1 : 0;
}
