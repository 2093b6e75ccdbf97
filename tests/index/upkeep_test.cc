// Looking after an index: verify, merge, backup.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sqlite3.h>
#include <sys/stat.h>

#include <array>
#include <atomic>
#include <fstream>
#include <thread>

#include "index/limits.h"
#include "tests/index/synthetic.h"

namespace soundgate {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
namespace fs = std::filesystem;

class Upkeep : public testing::Test {
 protected:
  static constexpr uint64_t kReferences = 20;

  Upkeep() {
    index_ = test::open_index(store());
    test::value_of(index_->create_bank(test::bank_named("spam")));
    for (uint64_t i = 0; i < kReferences; ++i) enroll(i);
  }
  fs::path store() const { return scratch_.path() / "store"; }
  void enroll(uint64_t i) {
    test::value_of(index_->enroll(test::request_of(std::to_string(i), test::make_track(i, 300))));
  }
  void reopen() {
    index_.reset();
    index_ = test::open_index(store());
  }
  static void expect_all_found(const Index& index) {
    for (uint64_t i = 0; i < kReferences; ++i) {
      const auto matches = test::match_all(index, test::make_track(i, 300));
      ASSERT_EQ(matches.size(), 1U) << i;
      EXPECT_EQ(matches[0].content_id, std::to_string(i));
    }
  }
  std::vector<fs::path> segment_files() const {
    std::vector<fs::path> files;
    for (const auto& entry : fs::directory_iterator(store() / "segments")) {
      files.push_back(entry.path());
    }
    return files;
  }
  void flip(const fs::path& path, std::streamoff at) {
    std::fstream file(path, std::ios::in | std::ios::out | std::ios::binary);
    file.seekg(at);
    const int byte = file.get();
    file.seekp(at);
    file.put(static_cast<char>(byte ^ 1));
  }
  void run_sql(const char* sql) {
    sqlite3* connection = nullptr;
    ASSERT_EQ(sqlite3_open((store() / "catalogue.db").c_str(), &connection), SQLITE_OK);
    EXPECT_EQ(sqlite3_exec(connection, sql, nullptr, nullptr, nullptr), SQLITE_OK);
    sqlite3_close(connection);
  }

  test::ScratchDirectory scratch_;
  std::unique_ptr<Index> index_;
};

TEST_F(Upkeep, MergesEverythingIntoOneFile) {
  EXPECT_THAT(segment_files(), IsEmpty());
  test::value_of(index_->merge());
  ASSERT_EQ(segment_files().size(), 1U);
  IndexUpkeep upkeep = test::value_of(index_->upkeep());
  ASSERT_EQ(upkeep.segments.size(), 1U);
  EXPECT_EQ(upkeep.segments[0].file, segment_files()[0].filename());
  EXPECT_EQ(upkeep.segments[0].windows, index_->status().window_count);
  EXPECT_EQ(upkeep.segments[0].bytes, static_cast<int64_t>(fs::file_size(segment_files()[0])));
  EXPECT_TRUE(upkeep.merged);
  expect_all_found(*index_);

  test::value_of(index_->remove("spam", "0"));
  EXPECT_GT(test::value_of(index_->upkeep()).segments[0].dead_windows, 100);
  const fs::path before = segment_files()[0];
  test::value_of(index_->merge());
  ASSERT_EQ(segment_files().size(), 1U);
  EXPECT_NE(segment_files()[0], before);
  EXPECT_EQ(test::value_of(index_->upkeep()).segments[0].dead_windows, 0);
  const fs::path after = segment_files()[0];
  test::value_of(index_->merge());  // there is nothing to do
  EXPECT_THAT(segment_files(), ElementsAre(after));
}

TEST_F(Upkeep, MergesWhileOthersWriteAndSearch) {
  std::atomic<bool> stop = false;
  std::thread writer([&] {
    for (uint64_t i = 100; i < 300 && !stop; ++i) enroll(i);
  });
  for (int i = 0; i < 3; ++i) {
    test::value_of(index_->merge());
    expect_all_found(*index_);
  }
  stop = true;
  writer.join();
}

TEST_F(Upkeep, VerifiesWhileOthersWriteAndMerge) {
  test::value_of(index_->merge());
  std::atomic<bool> stop = false;
  std::thread writer([&] {
    for (uint64_t i = 100; !stop; ++i) {
      enroll(i);
      if (i % 20 == 0) test::value_of(index_->merge());
    }
  });
  for (int i = 0; i < 20; ++i) EXPECT_EQ(test::value_of(index_->verify()).damage_count, 0);
  stop = true;
  writer.join();
}

// As when memory runs out behind the commit.
TEST_F(Upkeep, AChangeThatIsOnDiskAloneIsSaid) {
  const IndexStatus before = index_->status();
  EXPECT_FALSE(before.is_behind);
  EXPECT_FALSE(before.incomplete_since);
  run_sql(
      "INSERT INTO change SELECT max(version) + 1, made_ms, 'enrol', 'spam', 'lost' FROM change");
  const IndexStatus behind = index_->status();
  EXPECT_TRUE(behind.is_behind);
  ASSERT_TRUE(behind.incomplete_since);
  EXPECT_EQ(index_->status().incomplete_since, behind.incomplete_since) << "since then, not now";
}

TEST_F(Upkeep, TheNextWriteDoesNotHideIt) {
  run_sql(
      "INSERT INTO change SELECT max(version) + 1, made_ms, 'enrol', 'spam', 'lost' FROM change");
  test::value_of(index_->remove("spam", "0"));
  EXPECT_TRUE(index_->status().is_behind);
  reopen();
  EXPECT_FALSE(index_->status().is_behind);
}

TEST_F(Upkeep, ASegmentThatCannotBeMadeAgainIsMissed) {
  test::value_of(index_->merge());
  const fs::path folder = store() / "segments", away = store() / "away";
  flip(segment_files()[0], 200);
  fs::rename(folder, away);
  std::ofstream(folder) << "in the way";
  EXPECT_EQ(test::value_of(index_->verify()).rebuilt_count, 0);
  const IndexStatus missed = index_->status();
  EXPECT_EQ(missed.damaged_segment_count, 1);
  EXPECT_FALSE(missed.is_behind);
  EXPECT_TRUE(missed.incomplete_since);
  fs::remove(folder);
  fs::rename(away, folder);
  test::value_of(index_->verify());
  const IndexStatus whole = index_->status();
  EXPECT_EQ(whole.damaged_segment_count, 0);
  EXPECT_FALSE(whole.incomplete_since);
}

TEST_F(Upkeep, AVerificationOfAllThatIsWellFindsNothing) {
  test::value_of(index_->merge());
  test::value_of(index_->remove("spam", "0"));
  const VerifyReport report = test::value_of(index_->verify());
  EXPECT_EQ(report.damage_count, 0);
  EXPECT_EQ(report.segment_count, 1);
  EXPECT_EQ(report.reference_count, static_cast<int64_t>(kReferences));
  const IndexUpkeep upkeep = test::value_of(index_->upkeep());
  EXPECT_TRUE(upkeep.verified);
  EXPECT_EQ(upkeep.verified_damage_count, 0);
  reopen();
  EXPECT_TRUE(test::value_of(index_->upkeep()).verified);  // is remembered
}

// Anywhere in the file: the header, the guide, windows, the last byte.
TEST_F(Upkeep, AVerificationFindsOneBitAndHasTheSegmentMadeAgain) {
  test::value_of(index_->merge());
  for (const int share : {0, 1, 40, 80, 100}) {
    ASSERT_EQ(segment_files().size(), 1U);
    const fs::path path = segment_files()[0];
    const auto bytes = static_cast<std::streamoff>(fs::file_size(path));
    flip(path, std::min(bytes - 1, bytes * share / 100));
    const VerifyReport report = test::value_of(index_->verify());
    EXPECT_EQ(report.damage_count, 1) << share;
    EXPECT_EQ(report.rebuilt_count, 1);
    ASSERT_FALSE(report.damage.empty());
    EXPECT_THAT(report.damage[0].where, HasSubstr(path.string() + " at byte "));
    EXPECT_FALSE(fs::exists(path));
    EXPECT_EQ(test::value_of(index_->verify()).damage_count, 0) << share;
    expect_all_found(*index_);
  }
}

TEST_F(Upkeep, AVerificationTellsOnceOfWhatWasFoundDamagedWhenOpened) {
  test::value_of(index_->merge());
  flip(segment_files()[0], 200);
  reopen();
  const VerifyReport report = test::value_of(index_->verify());
  ASSERT_EQ(report.damage_count, 1);
  EXPECT_THAT(report.damage[0].what, HasSubstr("is damaged"));
  EXPECT_EQ(test::value_of(index_->verify()).damage_count, 0);
  expect_all_found(*index_);
}

TEST_F(Upkeep, WhatIsNoFileIsMadeAgain) {
  test::value_of(index_->merge());
  const fs::path path = segment_files()[0];
  index_.reset();
  fs::remove(path);
  ASSERT_EQ(::mkfifo(path.c_str(), 0600), 0);
  fs::create_symlink("/dev/zero", store() / "segments" / "77.segment");
  reopen();
  expect_all_found(*index_);
  EXPECT_EQ(test::value_of(index_->verify()).damage_count, 2);
}

TEST_F(Upkeep, ASegmentThatCannotBeReadIsDamageNotASignal) {
  test::value_of(index_->merge());
  const fs::path path = segment_files()[0];
  reopen();
  fs::resize_file(path, 8192);  // what is mapped behind it would be a bus error
  for (uint64_t i = 0; i < kReferences; ++i) test::match_all(*index_, test::make_track(i, 300));
  const VerifyReport report = test::value_of(index_->verify());
  EXPECT_THAT(index_->status().complaints.at(0), HasSubstr("is damaged"));
  EXPECT_EQ(test::value_of(index_->verify()).damage_count, 0);
  expect_all_found(*index_);
}

TEST_F(Upkeep, AVerificationNamesItemsThatHaveChanged) {
  test::value_of(index_->merge());
  run_sql("UPDATE items SET items = zeroblob(length(items)) WHERE id = 5");
  const VerifyReport report = test::value_of(index_->verify());
  EXPECT_EQ(report.damage_count, 1);
  ASSERT_EQ(report.damage.size(), 1U);
  EXPECT_THAT(report.damage[0].where, HasSubstr("reference 4 in bank spam"));
  EXPECT_THAT(report.damage[0].what, HasSubstr("do not fit their digest"));
  EXPECT_EQ(test::value_of(index_->upkeep()).verified_damage_count, 1);
}

TEST_F(Upkeep, AVerificationNamesItemsThatAreGone) {
  run_sql("DELETE FROM items WHERE id = 5");
  const VerifyReport report = test::value_of(index_->verify());
  ASSERT_EQ(report.damage.size(), 1U);
  EXPECT_THAT(report.damage[0].where, HasSubstr("reference 4 in bank spam"));
  EXPECT_THAT(report.damage[0].what, HasSubstr("are gone"));
  index_.reset();  // they are in no segment file, and would have to be read
  const auto opened = Index::open(store(), {});
  ASSERT_FALSE(opened);
  EXPECT_EQ(opened.error().kind, IndexError::Kind::kCorrupt);
  EXPECT_THAT(opened.error().message, HasSubstr("the items of reference 4 are gone"));
}

// A window has so many hits in a segment at most, and among equals the oldest: all go into one.
TEST_F(Upkeep, WhatIsSuppressedHidesNoCopy) {
  const auto copy = [](uint64_t i) { return "copy " + std::to_string(i); };
  for (uint64_t i = 0; i <= kHitsPerWindowMax; ++i) {
    test::value_of(index_->enroll(test::request_of(copy(i), test::make_track(500, 60))));
    if (i < kHitsPerWindowMax) {
      test::value_of(index_->suppress("spam", copy(i), {"licensed", std::nullopt}));
    }
  }
  test::value_of(index_->merge());
  const auto matches = test::match_all(*index_, test::make_track(500, 60));
  ASSERT_EQ(matches.size(), 1U);
  EXPECT_EQ(matches[0].content_id, copy(kHitsPerWindowMax));
}

TEST_F(Upkeep, CopiesInAMildBankHideNoneInAStricterOne) {
  Bank mild = test::bank_named("mild");
  mild.action = Action::kTrack;
  test::value_of(index_->create_bank(mild));
  for (uint64_t i = 0; i < 2 * kHitsPerWindowMax; ++i) {
    EnrollRequest request = test::request_of(std::to_string(i), test::make_track(500, 60));
    request.bank = "mild";
    test::value_of(index_->enroll(request));
  }
  EXPECT_EQ(test::match_all(*index_, test::make_track(500, 60)).at(0).bank.name, "mild");
  test::value_of(index_->enroll(test::request_of("banned", test::make_track(500, 60))));
  test::value_of(index_->merge());
  EXPECT_EQ(test::match_all(*index_, test::make_track(500, 60)).at(0).content_id, "banned");
}

TEST_F(Upkeep, AVerificationFindsWhatSqliteFinds) {
  run_sql("PRAGMA writable_schema = ON; DELETE FROM sqlite_schema WHERE name = 'reference_items';");
  EXPECT_GT(test::value_of(index_->verify()).damage_count, 0);
}

TEST_F(Upkeep, StopsWhenTold) {
  index_->stop_long_work();
  EXPECT_EQ(index_->verify().error().kind, IndexError::Kind::kConflict);
  EXPECT_EQ(index_->merge().error().kind, IndexError::Kind::kConflict);
  expect_all_found(*index_);
}

void copy_to(std::FILE* from, const fs::path& to) {
  std::ofstream out(to, std::ios::binary);
  std::array<char, 65536> piece;
  for (size_t bytes; (bytes = std::fread(piece.data(), 1, piece.size(), from)) > 0;) {
    out.write(piece.data(), static_cast<std::streamsize>(bytes));
  }
}

TEST_F(Upkeep, ABackupHoldsAllThatWasAcknowledgedAndNamesNoFile) {
  std::atomic<bool> stop = false;
  std::thread writer([&] {
    for (uint64_t i = 100; i < 300 && !stop; ++i) enroll(i);
  });
  test::value_of(index_->suppress("spam", "3", {"wrong", std::nullopt}));
  const int64_t version = index_->status().version;
  const auto file = test::value_of(index_->backup());
  stop = true;
  writer.join();
  for (const auto& entry : fs::directory_iterator(store())) {
    EXPECT_EQ(entry.path().filename().string().find(".backup"), std::string::npos);
  }
  const fs::path restored = scratch_.path() / "restored";
  fs::create_directories(restored);
  copy_to(file.get(), restored / "catalogue.db");
  const auto other = test::open_index(restored);
  EXPECT_GE(other->status().version, version);
  EXPECT_TRUE(test::match_all(*other, test::make_track(3, 300)).empty());
  test::value_of(other->restore("spam", "3"));
  expect_all_found(*other);
}

TEST_F(Upkeep, ABackupCutShortByAKillIsRemoved) {
  index_.reset();
  std::ofstream(store() / ".backup-1.db.new") << "half of it";
  index_ = test::open_index(store());
  EXPECT_FALSE(fs::exists(store() / ".backup-1.db.new"));
}

}  // namespace
}  // namespace soundgate
