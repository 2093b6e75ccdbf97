// A process that enrols, and is killed at any moment: what it acknowledged is there.
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/wait.h>

#include <algorithm>
#include <random>

#include "tests/index/synthetic.h"

namespace soundgate {
namespace {

constexpr int kRounds = 20;

// Every fourth round enrols so many in one write.
constexpr int kBatch = 8;
int batch_of(int round) { return round % 4 == 3 ? kBatch : 1; }

EnrollRequest request_number(int round, int i) {
  const std::string content_id = std::to_string(round) + "." + std::to_string(i);
  const auto seed = static_cast<uint64_t>(round * 1000 + i);
  return test::request_of(content_id, test::make_track(seed, 20));
}

bool enrol(Index& index, int round, int first) {
  if (batch_of(round) == 1) return index.enroll(request_number(round, first)).has_value();
  std::vector<EnrollRequest> requests;
  for (int i = 0; i < kBatch; ++i) requests.push_back(request_number(round, first + i));
  const auto results = index.enroll_all(requests);
  return std::all_of(results.begin(), results.end(), [](const auto& result) { return !!result; });
}

// Enrols round.0, round.1, … and writes a byte for each that was acknowledged.
[[noreturn]] void enrol_until_killed(const std::filesystem::path& store, int round, int pipe) {
  const auto index = Index::open(store, {.create = false, .owner = "victim"});
  if (!index) _exit(1);
  for (int i = 0;; i += batch_of(round)) {
    if (!enrol(**index, round, i)) _exit(2);
    const std::string acknowledgements(static_cast<size_t>(batch_of(round)), '+');
    const auto bytes = static_cast<ssize_t>(acknowledgements.size());
    if (write(pipe, acknowledgements.data(), acknowledgements.size()) != bytes) _exit(3);
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
  int64_t before = 0;  // references; a batch is there whole, or not at all
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
    EXPECT_EQ((*index)->status().reference_count % batch_of(round), before % batch_of(round));
    before = (*index)->status().reference_count;
    EXPECT_GE((*index)->status().version, version + acknowledged);
    version = (*index)->status().version;
  }
}

}  // namespace
}  // namespace soundgate
