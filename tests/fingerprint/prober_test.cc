// The worker's probes, from mono samples on: what is probed, how it is numbered, and that it undoes
// what was done to the speed of an upload.

#include "fingerprint/decode/worker/prober.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <bit>
#include <cmath>
#include <map>
#include <numbers>
#include <random>

#include "fingerprint/decode/limits.h"

namespace soundgate::decode {
namespace {

using Samples = std::vector<int16_t>;

constexpr ProbeSettings kNear = {.step_max = 2};
constexpr ProbeSettings kEverything = {.step_max = 2, .cpu_share = ProbeSettings::kCpuShareMax};

// Chords that change each quarter of a second, played `speed` times as fast.
Samples make_melody(double seconds, double speed = 1) {
  std::mt19937 random(11);
  std::vector<std::array<double, 3>> chords(static_cast<size_t>(seconds * speed * 4) + 1);
  for (auto& chord : chords) {
    for (double& note : chord) note = 110 * std::pow(2, static_cast<double>(random() % 48) / 12);
  }
  Samples samples(static_cast<size_t>(seconds * kSampleRateHz));
  for (size_t i = 0; i < samples.size(); ++i) {
    const double time = static_cast<double>(i) * speed / kSampleRateHz;
    double value = 0;
    for (const double note : chords[static_cast<size_t>(time * 4)]) {
      value += std::sin(2 * std::numbers::pi * note * time);
    }
    samples[i] = static_cast<int16_t>(value * 9000);
  }
  return samples;
}

struct Stretched {
  uint32_t first_item;
  std::vector<Item> items;

  uint32_t end() const { return first_item + static_cast<uint32_t>(items.size()); }
  bool operator==(const Stretched&) const = default;
};
using ItemsByView = std::map<int, std::vector<Stretched>>;

// Runs without a jump in them.
void add(std::vector<Stretched>& runs, uint32_t first_item, std::span<const Item> items) {
  if (runs.empty() || runs.back().end() != first_item) runs.push_back({first_item, {}});
  runs.back().items.insert(runs.back().items.end(), items.begin(), items.end());
}

ItemsByView probe(const ProbeSettings& settings, std::span<const int16_t> samples,
                  size_t piece_samples = 1000) {
  ItemsByView runs;
  Prober prober(settings, [&](int view, uint32_t first, std::span<const Item> items) {
    add(runs[view], first, items);
  });
  while (!samples.empty()) {
    const size_t count = std::min(piece_samples, samples.size());
    prober.feed(samples.first(count));
    samples = samples.subspan(count);
  }
  prober.finish();
  return runs;
}

std::vector<Item> items_of(std::span<const int16_t> samples, Band band) {
  Chroma chroma(kAllBands);
  std::vector<Item> items;
  chroma.feed(samples);
  chroma.take(band, items);
  return items;
}

double differing_bits(std::span<const Item> a, std::span<const Item> b) {
  const size_t count = std::min(a.size(), b.size());
  int bits = 0;
  for (size_t i = 0; i < count; ++i) bits += std::popcount(a[i] ^ b[i]);
  return bits / (32.0 * static_cast<double>(count));
}

TEST(TimeStretch, GoesInStraightLines) {
  TimeStretch stretch(2, 0.5);
  const Samples samples = {0, 100, 200, -100};
  const auto out = stretch.stretch(samples);
  EXPECT_THAT(Samples(out.begin(), out.end()), testing::ElementsAre(50, 100, 150, 200, 50));
}

TEST(TimeStretch, DoesNotNoticeHowSamplesCome) {
  const Samples samples = make_melody(1);
  for (const int step : {-10, -1, 1, 10}) {
    Samples whole, pieces;
    TimeStretch at_once(probe_speed(step), 700.3), in_pieces(probe_speed(step), 700.3);
    const auto all = at_once.stretch(samples);
    whole.assign(all.begin(), all.end());
    size_t piece = 1;
    for (size_t at = 0; at < samples.size(); at += piece, piece = piece % 13 + 1) {
      const size_t count = std::min(piece, samples.size() - at);
      const auto some = in_pieces.stretch(std::span(samples).subspan(at, count));
      pieces.insert(pieces.end(), some.begin(), some.end());
    }
    EXPECT_EQ(pieces, whole) << step;
    EXPECT_NEAR(static_cast<double>(whole.size()),
                (static_cast<double>(samples.size()) - 700.3) * probe_speed(step), 2);
  }
}

double seconds(uint64_t samples) { return static_cast<double>(samples) / kSampleRateHz; }

TEST(ProbeSchedule, TheFirstStretchIsAtTheStart) {
  for (const int step_max : {1, 2, 10}) {
    const ProbeSchedule schedule({.step_max = step_max});
    EXPECT_EQ(schedule.stretch_at(0).begin, 0u);
    EXPECT_EQ(seconds(schedule.stretch_at(0).end), kProbeStretchSeconds);
  }
}

TEST(ProbeSchedule, KeepsTheShareInTheLongRun) {
  for (const int step_max : {1, 2, 10}) {
    for (const double cpu_share : {0.01, 0.15, 0.4}) {
      const ProbeSchedule schedule({.step_max = step_max, .cpu_share = cpu_share});
      if (cpu_share >= 2 * step_max * kProbeCost) continue;
      double probed_seconds = 0;
      uint64_t position = 0;
      for (int i = 0; i < 100; ++i) {
        const auto stretch = schedule.stretch_at(position);
        probed_seconds += seconds(stretch.end - stretch.begin);
        position = schedule.stretch_at(stretch.end).begin;
      }
      const double cost = probed_seconds * 2 * step_max * kProbeCost;
      EXPECT_NEAR(cost / seconds(position), cpu_share, 1e-4) << step_max << " " << cpu_share;
    }
  }
}

TEST(ProbeSchedule, FollowsFromThePositionAlone) {
  const ProbeSchedule schedule(kNear);
  const auto second = schedule.stretch_at(schedule.stretch_at(0).end);
  for (const uint64_t position : {second.begin - 1, second.begin, second.end - 1}) {
    EXPECT_EQ(schedule.stretch_at(position).begin, second.begin);
    EXPECT_EQ(schedule.stretch_at(position).end, second.end);
  }
  EXPECT_GT(schedule.stretch_at(second.end).begin, second.end);
}

TEST(ProbeSchedule, IsAllWhereTheShareIsThatLarge) {
  const auto stretch = ProbeSchedule(kEverything).stretch_at(uint64_t{3600} * kSampleRateHz);
  EXPECT_EQ(stretch.begin, 0u);
  EXPECT_GT(seconds(stretch.end), kAudioSecondsMax);
}

TEST(ProbeSchedule, IsNothingWhereThereIsNoShare) {
  EXPECT_EQ(ProbeSchedule({.step_max = 10, .cpu_share = 0}).step_max(), 0);
  EXPECT_EQ(ProbeSchedule({}).step_max(), 0);
}

TEST(Prober, UndoesTheSpeedOfAnUpload) {
  for (const int step : {-10, -3, -1, 1, 4, 10}) {
    const double speed = probe_speed(step);
    const auto runs = probe({.step_max = 10}, make_melody(29 / speed, speed));
    for (const Band band : kProbedBands) {
      const std::vector<Item> reference = items_of(make_melody(29), band);
      const int view = view_of(step, band);
      ASSERT_EQ(runs.at(view).size(), 1u);
      const Stretched& run = runs.at(view)[0];
      EXPECT_EQ(run.first_item, 0u);
      EXPECT_NEAR(static_cast<double>(run.items.size()), static_cast<double>(reference.size()), 1);
      EXPECT_LT(differing_bits(run.items, reference), 0.03) << view;
      EXPECT_GT(differing_bits(runs.at(view_of(-step, band))[0].items, reference), 0.2) << view;
    }
  }
}

TEST(Prober, ProbesEachStepBothWays) {
  const auto runs = probe(kNear, make_melody(10));
  EXPECT_EQ(runs.size(), 4 * kProbedBands.size());
  for (const Band band : kProbedBands) {
    for (const int step : {-2, -1, 1, 2}) EXPECT_TRUE(runs.contains(view_of(step, band)));
  }
}

TEST(Prober, MakesNothingWhenOff) {
  EXPECT_TRUE(probe({.step_max = 0}, make_melody(10)).empty());
  EXPECT_TRUE(probe({.step_max = 2, .cpu_share = 0}, make_melody(10)).empty());
}

TEST(Prober, DoesNotNoticeHowSamplesCome) {
  const Samples samples = make_melody(50);
  const auto expected = probe(kNear, samples);
  EXPECT_EQ(probe(kNear, samples, 117), expected);
  EXPECT_EQ(probe(kNear, samples, samples.size()), expected);
}

// Each stretch begins with the first item that lies in it, and has as many as fit.
TEST(Prober, NumbersItemsByWhereTheyLie) {
  constexpr ProbeSettings kSettings = {.step_max = 1, .cpu_share = 0.1};
  const ProbeSchedule schedule(kSettings);
  const auto second = schedule.stretch_at(schedule.stretch_at(0).end);
  const auto runs = probe(kSettings, make_melody(seconds(second.end) + 5));
  for (const int step : {-1, 1}) {
    const double hop_samples = kHopSamples / probe_speed(step);
    const double span_samples = kFirstItemSamples / probe_speed(step);
    ASSERT_EQ(runs.at(step).size(), 2u);
    EXPECT_EQ(runs.at(step)[0].first_item, 0u);
    const Stretched& run = runs.at(step)[1];
    const double first_at = run.first_item * hop_samples;
    EXPECT_GE(first_at, static_cast<double>(second.begin));
    EXPECT_LT(first_at, static_cast<double>(second.begin) + hop_samples);
    const double last_end = (run.end() - 1) * hop_samples + span_samples;
    EXPECT_LE(last_end, static_cast<double>(second.end) + 1);
    EXPECT_GT(last_end, static_cast<double>(second.end) - hop_samples - 1);
  }
}

// What a stretch says of the audio, it says whatever came before it.
TEST(Prober, GoesOnOnTheSameGridAfterAJump) {
  const Samples samples = make_melody(60);
  const auto whole = probe(kEverything, samples);
  ItemsByView runs;
  Prober prober(kEverything, [&](int view, uint32_t first, std::span<const Item> items) {
    add(runs[view], first, items);
  });
  prober.feed(std::span(samples).first(100'000));
  prober.jump_to(333'333);
  prober.feed(std::span(samples).subspan(333'333));
  prober.finish();
  for (const auto& [step, step_runs] : runs) {
    ASSERT_EQ(step_runs.size(), 2u);
    const Stretched& expected = whole.at(step)[0];
    const Stretched& after = step_runs[1];
    ASSERT_EQ(after.end(), expected.end());
    const auto there = std::span(expected.items).subspan(after.first_item);
    EXPECT_LT(differing_bits(after.items, there), 0.005);
  }
}

}  // namespace
}  // namespace soundgate::decode
