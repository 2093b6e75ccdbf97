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
  EXPECT_THAT(error.message, HasSubstr("made by a newer Soundgate (schema 99, this one knows 2)"));
  run_sql(scratch.path(), "PRAGMA user_version = 2");
  EXPECT_EQ(test::open_index(scratch.path())->status().reference_count, 1);
}

// As Soundgate made them before it kept what is gone.
constexpr const char* kSchema1 = R"sql(
CREATE TABLE bank (id INTEGER PRIMARY KEY AUTOINCREMENT, name TEXT NOT NULL UNIQUE,
  action TEXT NOT NULL, probes TEXT NOT NULL, seconds_min REAL NOT NULL, paused INTEGER NOT NULL
) STRICT;
CREATE TABLE reference (id INTEGER PRIMARY KEY AUTOINCREMENT,
  bank_id INTEGER NOT NULL REFERENCES bank (id), content_id TEXT NOT NULL, title TEXT NOT NULL,
  metadata TEXT NOT NULL, algorithm INTEGER NOT NULL, duration_seconds REAL NOT NULL,
  enrolled_ms INTEGER NOT NULL, items BLOB NOT NULL, items_digest INTEGER NOT NULL,
  UNIQUE (bank_id, content_id)) STRICT;
CREATE TABLE suppression (bank TEXT NOT NULL, content_id TEXT NOT NULL, reason TEXT NOT NULL,
  until_ms INTEGER, PRIMARY KEY (bank, content_id)) STRICT, WITHOUT ROWID;
CREATE TABLE change (version INTEGER PRIMARY KEY AUTOINCREMENT, made_ms INTEGER NOT NULL,
  what TEXT NOT NULL, bank TEXT NOT NULL, content_id TEXT NOT NULL) STRICT;
PRAGMA application_id = 0x53474958;
PRAGMA user_version = 1;
)sql";

// Moves the rows of a store into one of schema 1; of references 1, 2 and 3, the last is gone.
void make_schema_1(const fs::path& store) {
  {
    const auto index = test::open_index(store);
    test::value_of(index->create_bank(test::bank_named("spam")));
    for (uint64_t i = 1; i <= 3; ++i) {
      test::value_of(index->enroll(test::request_of(std::to_string(i), test::make_track(i, 60))));
    }
    test::value_of(index->suppress("spam", "2", {"mistake", std::nullopt}));
  }
  fs::rename(store / "catalogue.db", store / "new.db");
  run_sql(store, kSchema1);
  run_sql(store, ("ATTACH '" + (store / "new.db").string() +
                  "' AS new;"
                  "INSERT INTO bank SELECT id, name, action, probes, seconds_min, paused FROM "
                  "new.bank JOIN new.bank_settings ON bank_id = id;"
                  "INSERT INTO reference SELECT r.id, bank_id, content_id, title, metadata, "
                  "algorithm, duration_seconds, enrolled_ms, items, digest FROM new.reference AS r "
                  "JOIN new.items AS i ON i.id = items_id;"
                  "INSERT INTO suppression SELECT * FROM new.suppression;"
                  "INSERT INTO change SELECT * FROM new.change;"
                  "DELETE FROM reference WHERE content_id = '3';"
                  "INSERT INTO change VALUES (6, 0, 'remove', 'spam', '3');")
                     .c_str());
  fs::remove(store / "new.db");
}

TEST(OpenStore, AnOlderSchemaIsCopiedAndThenMigrated) {
  const ScratchDirectory scratch;
  make_schema_1(scratch.path());
  const auto index = test::open_index(scratch.path());
  EXPECT_EQ(index->status().version, 6);
  EXPECT_EQ(index->status().reference_count, 2);
  EXPECT_EQ(test::match_all(*index, test::make_track(1, 60)).size(), 1U);
  EXPECT_TRUE(test::match_all(*index, test::make_track(2, 60)).empty());
  EXPECT_EQ(test::value_of(index->reference("spam", "2")).suppression->reason, "mistake");
  // What it did not keep cannot be had again; from now on it can.
  EXPECT_EQ(test::value_of(index->upkeep()).oldest_version, 6);
  EXPECT_EQ(index->rollback(5, false).error().kind, IndexError::Kind::kNotFound);
  test::value_of(index->remove("spam", "1"));
  test::value_of(index->rollback(6, false));
  EXPECT_EQ(test::match_all(*index, test::make_track(1, 60)).size(), 1U);

  const fs::path copy = scratch.path() / "catalogue.db.schema-1";
  ASSERT_TRUE(fs::exists(copy));
  const ScratchDirectory again;
  fs::copy(copy, again.path() / "catalogue.db");
  EXPECT_EQ(test::open_index(again.path())->status().reference_count, 2);
}

// Segment files are a cache by number: one that was given must not be given again.
TEST(OpenStore, AMigratedOneGivesNoNumberTwice) {
  const ScratchDirectory scratch;
  make_schema_1(scratch.path());
  const auto index = test::open_index(scratch.path());
  test::value_of(index->enroll(test::request_of("new", test::make_track(9, 60))));
  sqlite3* connection = nullptr;
  ASSERT_EQ(sqlite3_open((scratch.path() / "catalogue.db").c_str(), &connection), SQLITE_OK);
  const auto is_four = [](void* found, int, char** values, char**) {
    *static_cast<bool*>(found) = std::string(values[0]) == "4";
    return 0;
  };
  bool found = false;
  sqlite3_exec(connection, "SELECT id FROM reference WHERE content_id = 'new'", is_four, &found,
               nullptr);
  sqlite3_close(connection);
  EXPECT_TRUE(found);
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
  run_sql(scratch.path(), "UPDATE items SET items = zeroblob(length(items))");
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
