// The whole packet path, under many seeds: what is inspected is what arrives, blocked uploads
// never arrive whole, and nothing gets stuck.
#include <gtest/gtest.h>

#include <cstdlib>
#include <set>

#include "tests/sim/simulation.h"

namespace soundgate::sim {
namespace {

// SIM_SEED=n runs that seed alone.
uint64_t first_seed() {
  const char* seed = std::getenv("SIM_SEED");
  return seed ? std::strtoull(seed, nullptr, 10) : 1;
}

uint64_t seed_count() {
#ifdef NDEBUG
  constexpr uint64_t kSeeds = 400;
#else
  constexpr uint64_t kSeeds = 30;  // sanitizers are slow
#endif
  return std::getenv("SIM_SEED") ? 1 : kSeeds;
}

void run_seeds(SimulationOptions options) {
  for (uint64_t seed = first_seed(); seed < first_seed() + seed_count(); ++seed) {
    options.seed = seed;
    Simulation simulation(options);
    simulation.run();
    simulation.check();
    if (testing::Test::HasFailure()) return;
  }
}

constexpr Weather kBad{.loss = 0.05, .duplication = 0.02, .jitter_ms = 20, .tampering = false};
constexpr Weather kHostile{.loss = 0.05, .duplication = 0.02, .jitter_ms = 20, .tampering = true};

TEST(Simulation, PassesAndBlocksOnAGoodNetwork) { run_seeds({}); }

TEST(Simulation, PassesAndBlocksOnBadNetworks) {
  SimulationOptions options;
  options.client_side = kBad;
  options.origin_side = kBad;
  run_seeds(options);
}

TEST(Simulation, EverythingArrivesWhereNothingIsBlocked) {
  SimulationOptions options;
  options.allow_blocks = false;
  options.client_side = kBad;
  options.origin_side = kBad;
  run_seeds(options);
}

TEST(Simulation, RetransmissionsThatDifferAreOverwritten) {
  SimulationOptions options;
  options.client_side = kHostile;
  options.origin_side = kBad;
  run_seeds(options);
}

TEST(Simulation, LongTails) {
  SimulationOptions options;
  options.tail_bytes = 4'000;
  options.client_side = kBad;
  run_seeds(options);
}

TEST(Simulation, RequestsThatWaitForRoomForTheirHeads) {
  SimulationOptions options;
  options.heads = 1;
  options.connections = 8;
  options.allow_blocks = false;
  options.client_side.jitter_ms = 40;
  run_seeds(options);
}

TEST(Simulation, ObserveModeTouchesNothing) {
  SimulationOptions options;
  options.mode = Mode::kObserve;
  options.client_side = kBad;
  options.origin_side = kBad;
  run_seeds(options);
}

// SIM_SCENARIOS=n is how many of them.
TEST(Simulation, Storms) {
#ifdef NDEBUG
  uint64_t count = 10'000;
#else
  uint64_t count = 300;
#endif
  if (const char* wanted = std::getenv("SIM_SCENARIOS")) count = std::strtoull(wanted, nullptr, 10);
  if (std::getenv("SIM_SEED")) count = 1;
  size_t uploads = 0;
  for (uint64_t seed = first_seed(); seed < first_seed() + count; ++seed) {
    Simulation simulation(storm(seed));
    simulation.run();
    simulation.check();
    uploads += simulation.records();
    ASSERT_FALSE(testing::Test::HasFailure()) << "SIM_SEED=" << seed;
  }
  std::printf("%zu uploads in %zu scenarios\n", uploads, static_cast<size_t>(count));
}

TEST(Simulation, StormsWithHardlyAnyRoom) {
  for (uint64_t seed = first_seed(); seed < first_seed() + 2 * seed_count(); ++seed) {
    SimulationOptions options = storm(seed);
    options.scarce = true;
    options.connections = 6;
    Simulation simulation(options);
    simulation.run();
    simulation.check();
    ASSERT_FALSE(testing::Test::HasFailure()) << "SIM_SEED=" << seed;
  }
}

// Uploads that give way pass unchecked, byte for byte, and nothing of them is left.
TEST(Simulation, StormsWithHardlyAnyDecoders) {
  uint64_t gave_way = 0;
  for (uint64_t seed = first_seed(); seed < first_seed() + 2 * seed_count(); ++seed) {
    SimulationOptions options = storm(seed);
    options.scarcity = 0.5;
    options.connections = 6;
    Simulation simulation(options);
    simulation.run();
    simulation.check();
    ASSERT_FALSE(testing::Test::HasFailure()) << "SIM_SEED=" << seed;
    gave_way += simulation.count(DataplaneReason::gave_way);
  }
  EXPECT_TRUE(gave_way > 0 || std::getenv("SIM_SEED"));
}

TEST(Simulation, TheSameSeedGivesTheSameRun) {
  std::set<uint64_t> digests;
  for (uint64_t seed = 1; seed <= 100; ++seed) {
    Simulation first(storm(seed)), second(storm(seed));
    first.run();
    second.run();
    EXPECT_EQ(first.digest(), second.digest()) << seed;
    digests.insert(first.digest());
  }
  EXPECT_EQ(digests.size(), 100u);
}

TEST(Simulation, ClientsThatAbort) {
  SimulationOptions options;
  options.clients_abort = true;
  options.client_side = kBad;
  run_seeds(options);
}

}  // namespace
}  // namespace soundgate::sim
