// A process that changes a store in every way there is, and is killed at any moment: what it
// acknowledged is there, and of what it was just doing all or nothing.
// SOUNDGATE_KILL_ROUNDS: how many times; 20 unless set.
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/wait.h>

#include <algorithm>
#include <array>
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <map>
#include <random>
#include <set>

#include "tests/index/synthetic.h"

namespace soundgate {
namespace {

namespace fs = std::filesystem;

constexpr int kKeys = 12;
constexpr int kBatch = 8;
constexpr double kTrackSeconds = 20;

int rounds() {
  const char* set = std::getenv("SOUNDGATE_KILL_ROUNDS");
  return set == nullptr ? 20 : std::atoi(set);
}

// Every fifth round forgets at once what is gone, and rolls nothing back.
bool purges(int round) { return round % 5 == 4; }

enum class What { kEnroll, kEnrollAll, kRemove, kSuppress, kRestore, kRollBack, kMerge, kBackUp };
struct Step {
  What what;
  int key;         // a content id, or the first of a batch
  uint64_t track;  // of a batch the first
  uint32_t draw;
};

// What is done i-th in a round: the same for the one who does it and the one who looks afterwards.
Step step_of(int round, int i) {
  constexpr std::array kSteps = {What::kEnroll,   What::kEnroll, What::kEnrollAll, What::kRemove,
                                 What::kRemove,   What::kMerge,  What::kSuppress,  What::kRestore,
                                 What::kRollBack, What::kMerge,  What::kRollBack,  What::kBackUp};
  const auto seed = static_cast<uint32_t>(round) * 10'000U + static_cast<uint32_t>(i);
  std::mt19937 random(seed);
  const What what = kSteps.at(random() % kSteps.size());
  const bool is_rollback = what == What::kRollBack;
  return {is_rollback && purges(round) ? What::kMerge : what, static_cast<int>(random() % kKeys),
          uint64_t{seed} * kBatch, static_cast<uint32_t>(random())};
}

// What a store should hold.
struct Model {
  using References = std::map<std::string, uint64_t>;  // content id to track
  References references;
  std::set<std::string> suppressed;
  int64_t version = 0;
  int64_t oldest = 0;  // that can be rolled back to
  std::map<int64_t, References> history;

  void add_version() { history[++version] = references; }
};

std::string id_of(int key) { return "reference " + std::to_string(key % kKeys); }
int64_t target_of(const Model& model, const Step& step) {
  return model.oldest + static_cast<int64_t>(step.draw) % (model.version - model.oldest + 1);
}

Model after(Model model, const Step& step) {
  const std::string id = id_of(step.key);
  switch (step.what) {
    case What::kEnroll:
    case What::kEnrollAll:
      for (int i = 0; i < (step.what == What::kEnroll ? 1 : kBatch); ++i) {
        model.references[id_of(step.key + i)] = step.track + static_cast<uint64_t>(i);
        model.add_version();
      }
      break;
    case What::kRemove:
      if (model.references.erase(id) > 0) model.add_version();
      break;
    case What::kSuppress:
      if (!model.references.contains(id)) break;
      model.suppressed.insert(id);
      model.add_version();
      break;
    case What::kRestore:
      if (model.suppressed.erase(id) > 0) model.add_version();
      break;
    case What::kRollBack: {
      const Model::References& then = model.history.at(target_of(model, step));
      if (then == model.references) break;
      model.references = Model::References(then);
      model.add_version();
      break;
    }
    case What::kMerge:
    case What::kBackUp:
      break;
  }
  return model;
}

void back_up(const Index& index, const fs::path& to) {
  const auto from = test::value_of(index.backup());
  std::ofstream out(to.string() + ".new", std::ios::binary);
  std::array<char, 65536> piece;
  for (size_t bytes; (bytes = std::fread(piece.data(), 1, piece.size(), from.get())) > 0;) {
    out.write(piece.data(), static_cast<std::streamsize>(bytes));
  }
  out.close();
  fs::rename(to.string() + ".new", to);
}

EnrollRequest request_of(int key, uint64_t track) {
  return test::request_of(id_of(key), test::make_track(track, kTrackSeconds));
}

// Refusals of what cannot be done (nothing to remove) are no failures; the model knows them.
void do_step(Index& index, const Model& model, const Step& step, const fs::path& backup) {
  const std::string id = id_of(step.key);
  std::vector<EnrollRequest> requests;
  switch (step.what) {
    case What::kEnroll:
      test::value_of(index.enroll(request_of(step.key, step.track)));
      break;
    case What::kEnrollAll:
      for (int i = 0; i < kBatch; ++i) {
        requests.push_back(request_of(step.key + i, step.track + static_cast<uint64_t>(i)));
      }
      for (auto& result : index.enroll_all(requests)) test::value_of(std::move(result));
      break;
    case What::kRemove:
      (void)index.remove("spam", id);
      break;
    case What::kSuppress:
      (void)index.suppress("spam", id, {"wrong", std::nullopt});
      break;
    case What::kRestore:
      (void)index.restore("spam", id);
      break;
    case What::kRollBack:
      test::value_of(index.rollback(target_of(model, step), false));
      break;
    case What::kMerge:
      test::value_of(index.merge());
      break;
    case What::kBackUp:
      back_up(index, backup);
      break;
  }
}

// Goes on until it is killed, and writes a byte for each step that was acknowledged.
[[noreturn]] void change_until_killed(const fs::path& folder, int round, Model model, int pipe) {
  Index::Options options;
  options.owner = "victim";
  if (purges(round)) options.keep = std::chrono::seconds(0);
  auto index = Index::open(folder / "store", options);
  if (!index) _exit(1);
  for (int i = 0;; ++i) {
    const Step step = step_of(round, i);
    try {
      do_step(**index, model, step, folder / ("backup." + std::to_string(i)));
    } catch (const std::exception& error) {
      std::fprintf(stderr, "round %d, step %d: %s\n", round, i, error.what());
      _exit(2);
    }
    model = after(std::move(model), step);
    if ((*index)->status().version != model.version) _exit(3);
    if (write(pipe, "+", 1) != 1) _exit(4);
  }
}

// Lets it run until `enough` were acknowledged and a little longer, kills it, and counts the acks.
int acknowledged_before_kill(const fs::path& folder, int round, const Model& model, int enough,
                             useconds_t longer_us) {
  int ends[2];
  if (pipe(ends) != 0) return -1;
  const pid_t child = fork();
  if (child == 0) {
    close(ends[0]);
    change_until_killed(folder, round, model, ends[1]);
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

Model held_by(const Index& index) {
  Model model;
  model.version = index.status().version;
  for (const Reference& reference : test::value_of(index.references("spam"))) {
    model.references[reference.content_id] = 0;
    if (reference.suppression) model.suppressed.insert(reference.content_id);
  }
  return model;
}

bool has_references_of(const Index& index, const Model& model) {
  const Model held = held_by(index);
  if (held.version != model.version || held.references.size() != model.references.size()) {
    return false;
  }
  return std::ranges::all_of(model.references, [&](const auto& reference) {
    const bool suppressed = model.suppressed.contains(reference.first);
    return held.references.contains(reference.first) &&
           held.suppressed.contains(reference.first) == suppressed;
  });
}

std::vector<std::string> found(const Index& index, uint64_t track) {
  std::vector<std::string> ids;
  for (const Match& match : test::match_all(index, test::make_track(track, kTrackSeconds))) {
    ids.push_back(match.content_id);
  }
  return ids;
}

// What is there is found, and what was there, and is not, is not.
void expect_serves(const Index& index, const Model& model) {
  std::set<uint64_t> tracks;
  for (const auto& [id, track] : model.references) {
    const bool suppressed = model.suppressed.contains(id);
    const auto expected = suppressed ? std::vector<std::string>() : std::vector{id};
    EXPECT_EQ(found(index, track), expected) << id;
    tracks.insert(track);
  }
  auto past = model.history.rbegin();
  for (int i = 0; i < 10 && past != model.history.rend(); ++i, ++past) {
    for (const auto& [id, track] : past->second) {
      if (!tracks.insert(track).second) continue;
      EXPECT_TRUE(found(index, track).empty()) << id;
    }
  }
}

void expect_sound(Index& index) {
  EXPECT_TRUE(index.status().complaints.empty()) << index.status().complaints.front();
  const VerifyReport report = test::value_of(index.verify());
  EXPECT_EQ(report.damage_count, 0) << report.damage.front().where << report.damage.front().what;
}

// A store made of a backup that was acknowledged is what the store was.
void expect_backup_holds(const fs::path& backup, const Model& model) {
  const test::ScratchDirectory scratch;
  fs::copy(backup, scratch.path() / "catalogue.db");
  const auto index = test::open_index(scratch.path());
  EXPECT_TRUE(has_references_of(*index, model));
  expect_serves(*index, model);
}

TEST(Durability, WhatIsAcknowledgedSurvivesKill) {
  const test::ScratchDirectory scratch;
  const fs::path store = scratch.path() / "store";
  test::value_of(test::open_index(store)->create_bank(test::bank_named("spam")));
  Model model;
  model.add_version();
  model.oldest = 1;
  std::mt19937 random(1);
  int steps = 0, unacknowledged = 0, backups = 0;
  for (int round = 0; round < rounds() && !testing::Test::HasFailure(); ++round) {
    SCOPED_TRACE("round " + std::to_string(round));
    const auto longer_us = static_cast<useconds_t>(random() % 20'000);
    const int enough = 3 + static_cast<int>(random() % 13);
    const int acknowledged =
        acknowledged_before_kill(scratch.path(), round, model, enough, longer_us);
    ASSERT_GE(acknowledged, enough);
    int backup = -1;
    Model at_backup;
    for (int i = 0; i < acknowledged; ++i) {
      const Step step = step_of(round, i);
      if (step.what == What::kBackUp) {
        backup = i;
        at_backup = model;
      }
      model = after(std::move(model), step);
    }
    const auto index = test::open_index(store);
    if (!has_references_of(*index, model)) {
      model = after(std::move(model), step_of(round, acknowledged));  // the one it was just doing
      ++unacknowledged;
    }
    ASSERT_TRUE(has_references_of(*index, model))
        << "version " << index->status().version << ", not " << model.version;
    expect_serves(*index, model);
    expect_sound(*index);
    model.oldest = std::max(model.oldest, test::value_of(index->upkeep()).oldest_version);
    steps += acknowledged;
    if (backup < 0) continue;
    ++backups;
    expect_backup_holds(scratch.path() / ("backup." + std::to_string(backup)), at_backup);
  }
  std::printf("%d rounds: %d steps acknowledged, %d done and not acknowledged, %d backups opened\n",
              rounds(), steps, unacknowledged, backups);
}

}  // namespace
}  // namespace soundgate
