// Matchers ask for closer looks while the daemon ends: nobody may be asking decoders that are gone.
#include "control/inspection/closer_looks.h"

#include <gtest/gtest.h>

#include <atomic>
#include <thread>
#include <vector>

#include "tests/control/fakes.h"

namespace soundgate {
namespace {

using namespace std::chrono_literals;

// Takes its time over each look.
class SlowPool : public FakePool {
 public:
  void look_closer(uint64_t) override {
    is_asked = true;
    ++looks;
    std::this_thread::sleep_for(1ms);
    is_asked = false;
  }
  std::atomic<bool> is_asked{false};
  std::atomic<int> looks{0};
};

TEST(CloserLooks, ReachTheDecodersWhileTheyAreThere) {
  SlowPool pool;
  CloserLooks looks;
  looks.ask(1);
  looks.attach(pool);
  looks.ask(2);
  EXPECT_EQ(pool.looks, 1);
  looks.detach();
  looks.ask(3);
  EXPECT_EQ(pool.looks, 1);
}

TEST(CloserLooks, NobodyIsAskingOnceTheyAreDetached) {
  for (int round = 0; round < 20; ++round) {
    SlowPool pool;
    CloserLooks looks;
    looks.attach(pool);
    std::atomic<bool> stop{false};
    std::vector<std::jthread> matchers;
    for (int i = 0; i < 3; ++i) {
      matchers.emplace_back([&] {
        while (!stop) looks.ask(7);
      });
    }
    while (pool.looks < 2) std::this_thread::yield();
    looks.detach();
    EXPECT_FALSE(pool.is_asked);
    const int before = pool.looks;
    std::this_thread::sleep_for(3ms);
    EXPECT_EQ(pool.looks, before);
    stop = true;
  }
}

}  // namespace
}  // namespace soundgate
