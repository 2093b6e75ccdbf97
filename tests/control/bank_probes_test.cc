// What the decoders are told to probe, of what the banks ask for.
#include "control/inspection/bank_probes.h"

#include <gtest/gtest.h>

#include "tests/control/fakes.h"

namespace soundgate {
namespace {

class BankProbesTest : public testing::Test {
 protected:
  Bank& add(const char* name, Probes asked) {
    Bank bank;
    bank.name = name;
    bank.probes = asked;
    return index_.all_banks.emplace_back(bank);
  }
  int step_max() {
    probes_.follow();
    return pool_.probes.step_max;
  }

  FakeIndex index_;
  FakePool pool_;
  BankProbes probes_{index_, 0.25};
};

TEST_F(BankProbesTest, AreTheWidestThatABankAsksFor) {
  probes_.attach(pool_);
  EXPECT_EQ(step_max(), 0);
  add("off", Probes::kOff);
  EXPECT_EQ(step_max(), 0);
  add("near", Probes::kNear);
  EXPECT_EQ(step_max(), 2);
  add("wide", Probes::kWide);
  EXPECT_EQ(step_max(), kProbeStepMax);
  EXPECT_EQ(pool_.probes.cpu_share, 0.25);
}

TEST_F(BankProbesTest, DoNotFollowABankThatIsPaused) {
  probes_.attach(pool_);
  add("wide", Probes::kWide).paused = true;
  EXPECT_EQ(step_max(), 0);
  index_.all_banks.back().paused = false;
  EXPECT_EQ(step_max(), kProbeStepMax);
  index_.all_banks.clear();
  EXPECT_EQ(step_max(), 0);
}

TEST_F(BankProbesTest, AreSetFromTheStart) {
  add("near", Probes::kNear);
  probes_.follow();  // there is no pool yet: nothing happens
  probes_.attach(pool_);
  EXPECT_EQ(pool_.probes.step_max, 2);
}

}  // namespace
}  // namespace soundgate
