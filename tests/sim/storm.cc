// What a seed makes of the world: each way in which TCP misbehaves, alone and with others.
#include "tests/sim/simulation.h"

namespace soundgate::sim {
namespace {

Weather random_weather(Random& random) {
  Weather weather;
  if (random.chance(0.7)) weather.loss = 0.01 * static_cast<double>(random.below(11));
  if (random.chance(0.5)) weather.duplication = 0.01 * static_cast<double>(random.below(6));
  if (random.chance(0.7)) weather.jitter_ms = static_cast<int>(random.below(40));
  return weather;
}

TcpHabits random_habits(Random& random) {
  TcpHabits habits;
  const size_t sizes[] = {1'300, 1'300, 536, random.between(20, 90), random.between(1'400, 8'900)};
  habits.segment_bytes_max = sizes[random.below(5)];
  if (random.chance(0.3)) habits.repeats = 0.2;
  if (random.chance(0.3)) habits.decoys = 0.1;
  if (random.chance(0.3)) habits.stalls = 0.01;
  habits.keeps_alive = random.chance(0.3);
  return habits;
}

}  // namespace

SimulationOptions storm(uint64_t seed) {
  Random random(seed ^ 0x5707'2026);
  SimulationOptions options;
  options.seed = seed;
  options.mode = random.chance(0.8) ? Mode::kEnforce : Mode::kObserve;
  options.client_side = random_weather(random);
  options.origin_side = random_weather(random);
  options.client_side.tampering = random.chance(0.3);
  options.client_habits = random_habits(random);
  options.origin_habits = random_habits(random);
  for (uint64_t tags = random.below(3); tags > 0; --tags) {
    options.client_habits.vlan_tags.push_back(static_cast<uint16_t>(random.between(1, 4'094)));
  }
  for (int cuts = 0; cuts < 6; ++cuts) options.client_habits.cuts.push_back(random.below(300));
  const int64_t tails[] = {1, 1, 1, 2, 40, 700, 4'000};
  options.tail_bytes = tails[random.below(7)];
  options.connections = random.between(1, 3);
  options.allow_blocks = random.chance(0.7);
  options.clients_abort = random.chance(0.1);
  options.half_closes = random.chance(0.3);
  options.from_before = random.chance(0.2);
  return options;
}

}  // namespace soundgate::sim
