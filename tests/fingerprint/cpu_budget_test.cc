// What the host allows a worker is never less than what its honest streams may take.

#include "fingerprint/decode/shared/cpu_budget.h"

#include <gtest/gtest.h>

#include <random>
#include <vector>

namespace soundgate::decode {
namespace {

using namespace std::chrono_literals;

constexpr CpuTime kAllowance = 2s;

TEST(CpuBudget, IsUsedUpAndFilledAgain) {
  CpuBudget budget(kAllowance);
  budget.use(2s);
  EXPECT_TRUE(budget.is_left());
  budget.use(1ns);
  EXPECT_FALSE(budget.is_left());
  budget.earn(0, 1);
  EXPECT_TRUE(budget.is_left());
}

// An hour of music in front buys nothing for what follows.
TEST(CpuBudget, IsNeverMoreThanTheAllowance) {
  CpuBudget budget(kAllowance);
  budget.earn(size_t{60} << 20, 29'000);
  budget.use(kAllowance + 1ns);
  EXPECT_FALSE(budget.is_left());
}

TEST(CpuBudget, OfAWorkerHoldsAllThatItsStreamsMayTake) {
  std::mt19937 random(1);
  CpuBudget worker(CpuTime::zero());
  std::vector<CpuBudget> streams;
  for (int i = 0; i < 200'000; ++i) {
    if (streams.size() < 20 && random() % 50 == 0) {
      streams.emplace_back(kAllowance);
      worker.add_stream(kAllowance);
    }
    if (streams.empty()) continue;
    CpuBudget& stream = streams[random() % streams.size()];
    const uint64_t bytes = random() % 1'000'000, items = random() % 10;
    stream.earn(bytes, items);
    worker.earn(bytes, items);
    // It may go on as long as there is something left, and is ended when there is not.
    const CpuTime used = std::chrono::microseconds(random() % 200'000);
    CpuBudget after = stream;
    after.use(used);
    if (after.is_left()) {
      stream.use(used);
      worker.use(used);
    } else {
      std::swap(stream, streams.back());
      streams.pop_back();
      worker.remove_stream(kAllowance);
    }
    ASSERT_TRUE(worker.is_left()) << i;
  }
}

}  // namespace
}  // namespace soundgate::decode
