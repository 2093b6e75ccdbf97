// A request in two segments, and in three, split at every byte of it.
#include <gtest/gtest.h>

#include "tests/sim/simulation.h"

namespace soundgate::sim {
namespace {

constexpr size_t kRequestBytesMax = 170;  // of those below: heads, bodies and last chunks

PlannedUpload small_upload(bool chunked, bool spam) {
  PlannedUpload upload;
  upload.path = "/small";
  upload.body = spam ? "ab!cdef" : "abcdefg";
  upload.fate = spam ? PlannedUpload::Fate::kBlock : PlannedUpload::Fate::kPass;
  upload.chunked = chunked;
  return upload;
}

// Runs it; a clean upload that follows shows that what comes behind the split is read right too.
void run_split(std::vector<uint64_t> cuts, bool chunked, bool spam, int jitter_ms, uint64_t seed) {
  SimulationOptions options;
  options.seed = seed;
  options.connections = 1;
  options.client_side.jitter_ms = jitter_ms;
  options.client_side.loss = jitter_ms > 0 ? 0.05 : 0;
  options.client_habits.cuts = std::move(cuts);
  options.uploads = {small_upload(chunked, spam)};
  if (!spam) {
    PlannedUpload second = small_upload(!chunked, false);
    second.path = "/second";
    options.uploads.push_back(second);
  }
  Simulation simulation(options);
  simulation.run();
  simulation.check();
  EXPECT_EQ(simulation.records(), spam ? 1u : 2u);
}

void for_each_kind(std::vector<uint64_t> cuts) {
  for (const bool chunked : {false, true}) {
    for (const bool spam : {false, true}) {
      for (const int jitter_ms : {0, 10}) {
        for (uint64_t seed = 1; seed <= 3; ++seed) {
          run_split(cuts, chunked, spam, jitter_ms, seed);
        }
      }
    }
  }
}

TEST(Split, AtEveryByteOfHeadsAndChunks) {
  for (uint64_t at = 1; at < kRequestBytesMax; ++at) {
    for_each_kind({at});
    ASSERT_FALSE(testing::Test::HasFailure()) << "split at " << at;
  }
}

TEST(Split, IntoSegmentsOfOneByteFromEveryByteOn) {
  for (uint64_t at = 1; at < kRequestBytesMax; ++at) {
    for_each_kind({at, at + 1, at + 2});
    ASSERT_FALSE(testing::Test::HasFailure()) << "split at " << at;
  }
}

// The last chunk with its trailers and what follows lies in the last of these.
TEST(Split, AtEveryTwoBytesOfTheEnd) {
  for (uint64_t first = 90; first < kRequestBytesMax; ++first) {
    for (uint64_t second = first + 1; second < std::min<uint64_t>(first + 12, kRequestBytesMax);
         ++second) {
      run_split({first, second}, true, first % 2 == 0, 0, 1);
      run_split({first, second}, true, first % 2 == 0, 0, 2);
    }
    ASSERT_FALSE(testing::Test::HasFailure()) << "split at " << first;
  }
}

}  // namespace
}  // namespace soundgate::sim
