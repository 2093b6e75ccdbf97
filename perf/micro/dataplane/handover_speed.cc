// Packets that several lcores hand to one, while there are more of them than CPUs: what preempted
// ones cost the others.
//   micro_handover [--check]
// With --check: fails if four get less than a tenth through of what one does in the same time. (A
// ring that all of them share lets a hundredth through: who is preempted within it stops them all.)
#include <pthread.h>
#include <sched.h>

#include <array>
#include <atomic>
#include <chrono>
#include <cstdio>
#include <string>
#include <thread>
#include <vector>

#include "dataplane/limits.h"
#include "dataplane/port/eal.h"
#include "dataplane/port/handover.h"

namespace soundgate {
namespace {

constexpr std::chrono::seconds kTime{2};
constexpr int kCpus = 2;
constexpr double kRatioMin = 0.1;

void pin_to(unsigned cpu) {
  cpu_set_t cpus;
  CPU_ZERO(&cpus);
  CPU_SET(cpu, &cpus);
  pthread_setaffinity_np(pthread_self(), sizeof cpus, &cpus);
}

// Nobody looks into them.
rte_mbuf* packet() { return reinterpret_cast<rte_mbuf*>(64); }

double packets_a_second(Handover& handover, unsigned lcore_count) {
  std::atomic<bool> stopping{false};
  std::vector<std::jthread> producers;
  for (unsigned lcore = 0; lcore < lcore_count; ++lcore) {
    producers.emplace_back([&, lcore] {
      pin_to(lcore % kCpus);
      std::array<rte_mbuf*, kBurstFrames> burst;
      burst.fill(packet());
      while (!stopping.load(std::memory_order_relaxed)) {
        if (handover.put(lcore, burst) < burst.size()) std::this_thread::yield();
      }
    });
  }
  std::array<rte_mbuf*, kBurstFrames> burst;
  const auto began = std::chrono::steady_clock::now();
  double packets = 0;
  while (std::chrono::steady_clock::now() - began < kTime) {
    packets += static_cast<double>(handover.take(burst));
  }
  stopping = true;
  producers.clear();
  while (handover.take(burst) > 0) {
  }
  return packets / std::chrono::duration<double>(kTime).count();
}

int run(bool checks) {
  if (auto started = start_eal({"--no-huge", "-m", "64", "--no-telemetry"}, {}); !started) {
    std::fprintf(stderr, "%s\n", started.error().c_str());
    return 1;
  }
  pin_to(1);
  double of_one = 0, of_four = 0;
  for (const unsigned lcore_count : {1u, 2u, 4u, 8u}) {
    Handover handover;
    if (!handover.open("from" + std::to_string(lcore_count), lcore_count)) return 1;
    const double rate = packets_a_second(handover, lcore_count);
    std::printf("%u lcores on %d CPUs: %.1f million packets a second\n", lcore_count, kCpus,
                rate / 1e6);
    if (lcore_count == 1) of_one = rate;
    if (lcore_count == 4) of_four = rate;
  }
  std::printf("four get %.2f of what one does through (wanted %.2f)\n", of_four / of_one,
              kRatioMin);
  return checks && of_four < kRatioMin * of_one ? 1 : 0;
}

}  // namespace
}  // namespace soundgate

int main(int argc, char** argv) {
  return soundgate::run(argc > 1 && std::string(argv[1]) == "--check");
}
