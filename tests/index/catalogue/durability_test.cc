// A process that enrols, and is killed at any moment: what it acknowledged is there.
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/wait.h>

#include <random>

#include "tests/index/synthetic.h"

namespace soundgate {
namespace {

constexpr int kRounds = 20;

// Enrols round.0, round.1, … and writes a byte for each that was acknowledged.
[[noreturn]] void enrol_until_killed(const std::filesystem::path& store, int round, int pipe) {
  const auto index = Index::open(store, {.create = false, .owner = "victim"});
  if (!index) _exit(1);
  for (int i = 0;; ++i) {
    const std::string content_id = std::to_string(round) + "." + std::to_string(i);
    const auto seed = static_cast<uint64_t>(round * 1000 + i);
    if (!(*index)->enroll(test::request_of(content_id, test::make_track(seed, 20)))) _exit(2);
    if (write(pipe, "+", 1) != 1) _exit(3);
  }
}

// Lets it run until `enough` were acknowledged and a little longer, kills it, and counts the acks.
int acknowledged_before_kill(const std::filesystem::path& store, int round, int enough,
                             useconds_t longer_us) {
  int ends[2];
  if (pipe(ends) != 0) return -1;
  const pid_t child = fork();
  if (child == 0) {
    close(ends[0]);
    enrol_until_killed(store, round, ends[1]);
  }
  close(ends[1]);
  int acknowledged = 0;
  char byte;
  while (acknowledged < enough && read(ends[0], &byte, 1) == 1) ++acknowledged;
  usleep(longer_us);
  kill(child, SIGKILL);
  while (read(ends[0], &byte, 1) == 1) ++acknowledged;
  close(ends[0]);
  int status = 0;
  waitpid(child, &status, 0);
  EXPECT_TRUE(WIFSIGNALED(status)) << "it ended by itself, " << WEXITSTATUS(status);
  return acknowledged;
}

TEST(Durability, AcknowledgedEnrolmentsSurviveKill) {
  const test::ScratchDirectory scratch;
  test::value_of(test::open_index(scratch.path())->create_bank(test::bank_named("spam")));
  std::mt19937 random(1);
  int64_t version = 0;
  for (int round = 0; round < kRounds; ++round) {
    const auto longer_us = static_cast<useconds_t>(random() % 5000);
    const int acknowledged = acknowledged_before_kill(scratch.path(), round, 3, longer_us);
    ASSERT_GE(acknowledged, 3);

    const auto index = Index::open(scratch.path(), {.create = false, .owner = "test"});
    ASSERT_TRUE(index) << index.error().message;
    for (int i = 0; i < acknowledged; ++i) {
      const std::string content_id = std::to_string(round) + "." + std::to_string(i);
      EXPECT_TRUE((*index)->reference("spam", content_id)) << content_id;
    }
    EXPECT_GE((*index)->status().version, version + acknowledged);
    version = (*index)->status().version;
  }
}

}  // namespace
}  // namespace soundgate
