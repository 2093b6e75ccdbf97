// Who forwards, and what is said about it afterwards.
#include "control/bypass.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>

#include "control/bypass_journal.h"
#include "control/forwarding_lock.h"
#include "control/limits.h"

namespace soundgate {
namespace {

using Part = ForwardingLock::Part;
using std::chrono::milliseconds;
using testing::ElementsAre;

class BypassTest : public testing::Test {
 protected:
  BypassTest() { std::filesystem::create_directories(folder_); }
  ~BypassTest() override { std::filesystem::remove_all(folder_); }
  ForwardingLock lock() const { return ForwardingLock::open(folder_ / "lock").value(); }
  Result<void> take_over(Bypass& bypass) const { return bypass.take_over({""}); }

  const std::filesystem::path folder_ =
      std::filesystem::temp_directory_path() / ("bypass_test_" + std::to_string(getpid()));
  const std::filesystem::path journal_ = folder_ / "journal";
};

WallTime at(double seconds) {
  return WallTime(std::chrono::microseconds(static_cast<int64_t>(seconds * 1e6)));
}

TEST_F(BypassTest, OneAtATimeForwards) {
  ForwardingLock one = lock(), other = lock();
  EXPECT_TRUE(one.try_take(Part::kForwarding));
  EXPECT_FALSE(other.try_take(Part::kForwarding));
  EXPECT_TRUE(other.is_held_by_other(Part::kForwarding));
  EXPECT_FALSE(one.is_held_by_other(Part::kForwarding)) << "it is its own";
  EXPECT_TRUE(other.try_take(Part::kWanted)) << "the parts are apart";
  EXPECT_FALSE(other.take_within(Part::kForwarding, milliseconds(20)));
  one.give_up(Part::kForwarding);
  EXPECT_TRUE(other.take_within(Part::kForwarding, milliseconds(20)));
}

TEST_F(BypassTest, DeathGivesUp) {
  int ready[2];
  ASSERT_EQ(pipe(ready), 0);
  const pid_t child = fork();
  if (child == 0) {
    ForwardingLock taken = lock();
    const bool has = taken.try_take(Part::kForwarding);
    if (write(ready[1], has ? "y" : "n", 1) != 1) _exit(1);
    pause();
    _exit(0);
  }
  char said = 0;
  ASSERT_EQ(read(ready[0], &said, 1), 1);
  ASSERT_EQ(said, 'y');
  ForwardingLock mine = lock();
  EXPECT_FALSE(mine.try_take(Part::kForwarding));
  kill(child, SIGKILL);
  EXPECT_TRUE(mine.take(Part::kForwarding));
  waitpid(child, nullptr, 0);
}

TEST_F(BypassTest, WhatIsSaidIsReadByOthers) {
  ForwardingLock one = lock();
  EXPECT_EQ(one.said(), "");
  one.say("running");
  one.say("stop");
  EXPECT_EQ(lock().said(), "stop");
}

TEST_F(BypassTest, AJournalTellsWhatWasWritten) {
  EXPECT_TRUE(read_bypasses(journal_).value().empty()) << "no file";
  ASSERT_TRUE(write_bypass_began(journal_, at(1000.25), "soundgated died"));
  ASSERT_TRUE(write_bypass_ended(journal_, at(1002.5)));
  ASSERT_TRUE(write_bypass_began(journal_, at(2000), "a\nended 3\nforged"));
  const auto periods = read_bypasses(journal_).value();
  ASSERT_EQ(periods.size(), 2u);
  EXPECT_EQ(periods[0].began, at(1000.25));
  EXPECT_EQ(periods[0].ended, at(1002.5));
  EXPECT_EQ(periods[0].cause, "soundgated died");
  EXPECT_EQ(periods[1].ended, WallTime());
  EXPECT_EQ(periods[1].cause, "a ended 3 forged");
  EXPECT_FALSE(write_bypass_ended(folder_ / "no" / "journal", at(1)));
}

TEST_F(BypassTest, WhatIsNoLineOfAJournalIsPassedOver) {
  const auto periods = parse_bypasses(
      "ended 5\n"
      "began\nbegan x soundgated died\nbegan -1 a\nbegan 1e300 a\nbegan nan a\nbegan 5x a\n\n"
      "nonsense 7\n"
      "began 7\n"
      "ended 8\nended 9\n"
      "began 10 torn");
  ASSERT_EQ(periods.size(), 1u);
  EXPECT_EQ(periods[0].began, at(7));
  EXPECT_EQ(periods[0].ended, at(8));
  EXPECT_EQ(periods[0].cause, "");
}

TEST_F(BypassTest, OfALargeJournalTheEndIsRead) {
  {
    std::ofstream out(journal_);
    for (int i = 1; i <= 60'000; ++i) out << "began " << i << " x\nended " << i << ".5\n";
  }
  const auto periods = read_bypasses(journal_).value();
  EXPECT_GT(periods.size(), 30'000u);
  EXPECT_EQ(periods.back().began, at(60'000));
}

// As a crash loop of weeks would write it.
TEST_F(BypassTest, ALargeJournalIsMadeSmallerAndItsNewestPeriodsStay) {
  for (int i = 1; std::filesystem::exists(journal_) == false ||
                  std::filesystem::file_size(journal_) <= kBypassJournalBytesMax;
       ++i) {
    std::ofstream(journal_, std::ios::app)
        << "began " << i << ".5 soundgated died\nended " << i << ".75\n";
  }
  const auto before = read_bypasses(journal_).value();
  ASSERT_TRUE(write_bypass_began(journal_, at(9e6), "the newest"));
  EXPECT_LT(std::filesystem::file_size(journal_), kBypassJournalBytesKept + 100);
  EXPECT_GT(std::filesystem::file_size(journal_), kBypassJournalBytesKept - 100);
  EXPECT_FALSE(std::filesystem::exists(folder_ / "journal.new"));
  const auto after = read_bypasses(journal_).value();
  ASSERT_GT(after.size(), 5'000u);
  EXPECT_EQ(after.back().cause, "the newest");
  for (size_t i = 1; i < after.size(); ++i) {
    const BypassPeriod& was = before[before.size() - i];
    const BypassPeriod& is = after[after.size() - 1 - i];
    ASSERT_EQ(is.began, was.began);
    ASSERT_EQ(is.ended, was.ended);
    ASSERT_EQ(is.cause, was.cause);
  }
}

TEST_F(BypassTest, AnUnendedPeriodStaysUnendedInASmallerJournal) {
  const std::string nonsense(kBypassJournalBytesMax, 'x');
  std::ofstream(journal_) << nonsense << "\nbegan 5 soundgated died\nbegan 7 soundgated died\n";
  ASSERT_TRUE(write_bypass_ended(journal_, at(8)));
  ASSERT_TRUE(write_bypass_began(journal_, at(9), "soundgated died"));
  EXPECT_LT(std::filesystem::file_size(journal_), 200u);
  const auto periods = read_bypasses(journal_).value();
  ASSERT_EQ(periods.size(), 3u);
  EXPECT_EQ(periods[0].ended, WallTime());
  EXPECT_EQ(periods[1].ended, at(8));
  EXPECT_EQ(periods[2].ended, WallTime());
}

TEST_F(BypassTest, WhereItCannotBeMadeSmallerItGrows) {
  std::ofstream(journal_) << "began 5 x\n" << std::string(kBypassJournalBytesMax, '\n');
  std::filesystem::create_directory(folder_ / "journal.new");
  ASSERT_TRUE(write_bypass_began(journal_, at(9), "soundgated died"));
  EXPECT_GT(std::filesystem::file_size(journal_), kBypassJournalBytesMax);
  EXPECT_EQ(read_bypasses(journal_).value().back().began, at(9));
}

// Its soundgate-bypass was killed; the one after it went round again.
TEST_F(BypassTest, AnEndThatNobodyWroteDownIsNoLaterThanWhatCameAfterwards) {
  const auto store = DecisionStore::open(folder_).value();
  ASSERT_TRUE(write_bypass_began(journal_, at(1000), "soundgated died"));
  ASSERT_TRUE(write_bypass_began(journal_, at(2000), "soundgated died"));
  WallTime last_ended;
  for (int round = 0; round < 2; ++round) {
    Bypass bypass({folder_ / "lock", journal_}, *store);
    ASSERT_TRUE(take_over(bypass));
    const auto bypasses = store->bypasses(10).value();
    ASSERT_EQ(bypasses.size(), 2u);
    EXPECT_EQ(bypasses[0].ended, at(2000));
    if (round > 0) {
      EXPECT_EQ(bypasses[1].ended, last_ended) << "it was over then already";
    }
    last_ended = bypasses[1].ended.value();
  }
}

TEST_F(BypassTest, TakingOverWaitsForTheLockAndImportsTheJournal) {
  const auto store = DecisionStore::open(folder_).value();
  ASSERT_TRUE(write_bypass_began(journal_, at(1000), "soundgated died"));
  ASSERT_TRUE(write_bypass_ended(journal_, at(1010)));
  ASSERT_TRUE(write_bypass_began(journal_, at(2000), "soundgated died"));
  Bypass bypass({folder_ / "lock", journal_}, *store);
  ASSERT_TRUE(take_over(bypass));
  EXPECT_FALSE(bypass.is_watched());
  ForwardingLock other = lock();
  EXPECT_TRUE(other.is_held_by_other(Part::kForwarding));
  EXPECT_EQ(other.said(), "running");
  ASSERT_TRUE(other.try_take(Part::kWatching));
  EXPECT_TRUE(bypass.is_watched());

  Bypass second({folder_ / "lock", journal_}, *store);
  EXPECT_EQ(take_over(second).error().code, ErrorCode::kConflict);

  const auto bypasses = store->bypasses(10).value();
  ASSERT_EQ(bypasses.size(), 2u);
  EXPECT_EQ(bypasses[0].began, at(1000));
  EXPECT_EQ(bypasses[0].ended, at(1010));
  EXPECT_TRUE(bypasses[1].ended.has_value()) << "by now it is over";
  EXPECT_EQ(store->bypasses(1).value().at(0).began, at(2000));

  bypass.hand_over();
  EXPECT_FALSE(other.is_held_by_other(Part::kForwarding));
  EXPECT_FALSE(other.is_held_by_other(Part::kWanted));
  EXPECT_EQ(other.said(), "stopped");
}

TEST_F(BypassTest, OfVeryManyInTheDecisionLogTheNewestStay) {
  const auto store = DecisionStore::open(folder_).value();
  std::vector<BypassRecord> records;
  for (int i = 1; i <= kBypassesKeptMax + 2; ++i) records.push_back({at(i), at(i + 0.5), "x"});
  ASSERT_TRUE(store->add_bypasses(records));
  const auto kept = store->bypasses(kBypassesKeptMax + 10).value();
  EXPECT_EQ(kept.size(), size_t{kBypassesKeptMax});
  EXPECT_EQ(kept.front().began, at(3));
  EXPECT_EQ(kept.back().began, at(kBypassesKeptMax + 2));
}

TEST_F(BypassTest, WithoutALockNothingIsAskedOf) {
  const auto store = DecisionStore::open(folder_).value();
  Bypass bypass({}, *store);
  EXPECT_TRUE(take_over(bypass));
  EXPECT_FALSE(bypass.is_watched());
  bypass.hand_over();
}

TEST(KernelInterface, IsTheOneThatTheKernelCanBridge) {
  EXPECT_EQ(kernel_interface("net_af_packet0,iface=sg-client"), "sg-client");
  EXPECT_EQ(kernel_interface("net_af_packet0,qpairs=1,iface=eth0,blocksz=4096"), "eth0");
  EXPECT_EQ(kernel_interface("net_tap0,iface=sgc"), "");
  EXPECT_EQ(kernel_interface("0000:03:00.0"), "");
  EXPECT_EQ(kernel_interface("net_af_packet0"), "");
}

}  // namespace
}  // namespace soundgate
