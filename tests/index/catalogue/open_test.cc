// What opening a store says of one that is missing, in use, damaged or too new.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sqlite3.h>
#include <sys/wait.h>

#include <fstream>

#include "tests/index/synthetic.h"

namespace soundgate {
namespace {

using test::ScratchDirectory;
using testing::HasSubstr;
namespace fs = std::filesystem;

IndexError open_error(const fs::path& store, bool create = false) {
  auto opened = Index::open(store, {.create = create, .owner = "test"});
  if (opened) return {IndexError::Kind::kInvalid, "it opened"};
  return opened.error();
}

void make_store(const fs::path& store) {
  const auto index = test::open_index(store);
  test::value_of(index->create_bank(test::bank_named("spam")));
  test::value_of(index->enroll(test::request_of("a", test::make_track(1, 60))));
}

void run_sql(const fs::path& store, const char* sql) {
  sqlite3* connection = nullptr;
  ASSERT_EQ(sqlite3_open((store / "catalogue.db").c_str(), &connection), SQLITE_OK);
  EXPECT_EQ(sqlite3_exec(connection, sql, nullptr, nullptr, nullptr), SQLITE_OK);
  sqlite3_close(connection);
}

TEST(OpenStore, AMissingOneIsNotFound) {
  const ScratchDirectory scratch;
  const IndexError error = open_error(scratch.path() / "none");
  EXPECT_EQ(error.kind, IndexError::Kind::kNotFound);
  EXPECT_EQ(error.message, "there is no store at " + (scratch.path() / "none").string());
  EXPECT_FALSE(fs::exists(scratch.path() / "none"));
}

TEST(OpenStore, AnEmptyDirectoryIsNotFound) {
  const ScratchDirectory scratch;
  EXPECT_EQ(open_error(scratch.path()).kind, IndexError::Kind::kNotFound);
  EXPECT_TRUE(fs::is_empty(scratch.path()));
}

TEST(OpenStore, MakesDirectoriesWhenToldTo) {
  const ScratchDirectory scratch;
  make_store(scratch.path() / "a" / "b");
  const auto again = Index::open(scratch.path() / "a" / "b", {.create = false, .owner = "test"});
  ASSERT_TRUE(again);
  EXPECT_EQ((*again)->status().reference_count, 1);
}

TEST(OpenStore, WhereItCannotBeMadeSaysWhy) {
  const ScratchDirectory scratch;
  std::ofstream(scratch.path() / "file") << "x";
  const IndexError error = open_error(scratch.path() / "file" / "store", true);
  EXPECT_EQ(error.kind, IndexError::Kind::kInputOutput);
  EXPECT_THAT(error.message, HasSubstr("Not a directory"));
}

TEST(OpenStore, OneInUseNamesItsHolder) {
  const ScratchDirectory scratch;
  const auto index =
      test::value_of(Index::open(scratch.path(), {.create = true, .owner = "soundgated"}));
  const IndexError error = open_error(scratch.path());
  EXPECT_EQ(error.kind, IndexError::Kind::kInUse);
  EXPECT_EQ(error.message, "store " + scratch.path().string() + " is in use by soundgated (pid " +
                               std::to_string(getpid()) + ")");
}

TEST(OpenStore, AKilledHolderLeavesNoLock) {
  const ScratchDirectory scratch;
  make_store(scratch.path());
  const pid_t child = fork();
  if (child == 0) {
    const auto index = Index::open(scratch.path(), {.create = false, .owner = "child"});
    _exit(index ? 0 : 1);  // without closing
  }
  int status = 0;
  waitpid(child, &status, 0);
  ASSERT_EQ(WEXITSTATUS(status), 0);
  EXPECT_TRUE(Index::open(scratch.path(), {.create = false, .owner = "test"}));
}

TEST(OpenStore, ANewerSchemaIsRefusedAndLeftAlone) {
  const ScratchDirectory scratch;
  make_store(scratch.path());
  run_sql(scratch.path(), "PRAGMA user_version = 99");
  const IndexError error = open_error(scratch.path(), true);
  EXPECT_EQ(error.kind, IndexError::Kind::kConflict);
  EXPECT_THAT(error.message, HasSubstr("made by a newer Soundgate (schema 99, this one knows 1)"));
  run_sql(scratch.path(), "PRAGMA user_version = 1");
  EXPECT_EQ(test::open_index(scratch.path())->status().reference_count, 1);
}

TEST(OpenStore, AnotherDatabaseIsCorrupt) {
  const ScratchDirectory scratch;
  run_sql(scratch.path(), "CREATE TABLE of_someone_else (x)");
  EXPECT_EQ(open_error(scratch.path(), true).kind, IndexError::Kind::kCorrupt);
}

TEST(OpenStore, NoDatabaseIsCorrupt) {
  const ScratchDirectory scratch;
  std::ofstream(scratch.path() / "catalogue.db") << std::string(10000, 'x');
  const IndexError error = open_error(scratch.path(), true);
  EXPECT_EQ(error.kind, IndexError::Kind::kCorrupt);
  EXPECT_THAT(error.message, HasSubstr("catalogue.db is damaged"));
}

TEST(OpenStore, AnEmptyFileIsCorruptNotNew) {
  const ScratchDirectory scratch;
  make_store(scratch.path());
  fs::resize_file(scratch.path() / "catalogue.db", 0);
  fs::remove(scratch.path() / "catalogue.db-wal");
  EXPECT_EQ(open_error(scratch.path(), true).kind, IndexError::Kind::kCorrupt);
}

TEST(OpenStore, ATruncatedFileIsCorrupt) {
  const ScratchDirectory scratch;
  make_store(scratch.path());
  fs::resize_file(scratch.path() / "catalogue.db", 4096);
  EXPECT_EQ(open_error(scratch.path()).kind, IndexError::Kind::kCorrupt);
}

TEST(OpenStore, ItemsThatChangedOnDiskAreCorrupt) {
  const ScratchDirectory scratch;
  make_store(scratch.path());
  run_sql(scratch.path(), "UPDATE reference SET items = zeroblob(length(items))");
  const IndexError error = open_error(scratch.path());
  EXPECT_EQ(error.kind, IndexError::Kind::kCorrupt);
  EXPECT_THAT(error.message, HasSubstr("the items of reference a do not fit their digest"));
}

TEST(OpenStore, AnotherAlgorithmIsRefused) {
  const ScratchDirectory scratch;
  make_store(scratch.path());
  run_sql(scratch.path(), "UPDATE reference SET algorithm = 4");
  EXPECT_THAT(open_error(scratch.path()).message, HasSubstr("has fingerprint algorithm 4"));
}

TEST(OpenStore, AnUnfinishedOneIsMadeAgain) {
  const ScratchDirectory scratch;
  std::ofstream(scratch.path() / "catalogue.db.new") << "half of it";
  EXPECT_EQ(open_error(scratch.path()).kind, IndexError::Kind::kNotFound);
  make_store(scratch.path());
  EXPECT_FALSE(fs::exists(scratch.path() / "catalogue.db.new"));
}

}  // namespace
}  // namespace soundgate
