#include "index/catalogue/schema.h"

#include <filesystem>
#include <system_error>

#include "index/catalogue/copy.h"

namespace soundgate {
namespace {

// A bank's settings and a reference are rows that are added in one version and removed in another:
// what there was in a version is what was added by then and not removed by then. Items are kept
// apart, so that a reference that returns is a small row, and name the enrolment: two references
// that share them are the same one, before and after a rollback.
// Suppressions go by name, not by row: they outlive their reference and their bank.
// A change's version is never given again, so that versions only grow.
constexpr const char* kTables = R"sql(
CREATE TABLE bank (
  id INTEGER PRIMARY KEY AUTOINCREMENT,
  name TEXT NOT NULL
) STRICT;

CREATE TABLE bank_settings (
  bank_id INTEGER NOT NULL REFERENCES bank (id),
  action TEXT NOT NULL,
  probes TEXT NOT NULL,
  seconds_min REAL NOT NULL,
  paused INTEGER NOT NULL,
  added_version INTEGER NOT NULL,
  removed_version INTEGER          -- NULL: they are in force
) STRICT;
CREATE UNIQUE INDEX bank_settings_now ON bank_settings (bank_id) WHERE removed_version IS NULL;

CREATE TABLE items (
  id INTEGER PRIMARY KEY AUTOINCREMENT,
  items BLOB NOT NULL,             -- 32 bits each, little-endian
  digest INTEGER NOT NULL          -- XXH3, 64 bits, of the blob
) STRICT;

CREATE TABLE reference (
  id INTEGER PRIMARY KEY AUTOINCREMENT,
  bank_id INTEGER NOT NULL REFERENCES bank (id),
  content_id TEXT NOT NULL,
  title TEXT NOT NULL,
  metadata TEXT NOT NULL,          -- a JSON object
  algorithm INTEGER NOT NULL,      -- Chromaprint's number
  duration_seconds REAL NOT NULL,
  enrolled_ms INTEGER NOT NULL,    -- since 1970
  added_ms INTEGER NOT NULL,       -- of this row: when it was enrolled, or returned
  item_count INTEGER NOT NULL,     -- of each band
  bands INTEGER NOT NULL,          -- whose items there are, one after the other: 1, or all 3
  items_id INTEGER NOT NULL REFERENCES items (id),
  added_version INTEGER NOT NULL,
  removed_version INTEGER          -- NULL: it is there
) STRICT;
CREATE UNIQUE INDEX reference_now ON reference (bank_id, content_id) WHERE removed_version IS NULL;
CREATE INDEX reference_added ON reference (added_version);
CREATE INDEX reference_removed ON reference (removed_version) WHERE removed_version IS NOT NULL;
CREATE INDEX reference_items ON reference (items_id);

CREATE TABLE note (
  name TEXT PRIMARY KEY,
  value INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
)sql";

constexpr const char* kUnchangedTables = R"sql(
CREATE TABLE suppression (
  bank TEXT NOT NULL,
  content_id TEXT NOT NULL,
  reason TEXT NOT NULL,
  until_ms INTEGER,                -- since 1970; NULL: for good
  PRIMARY KEY (bank, content_id)
) STRICT, WITHOUT ROWID;

CREATE TABLE change (
  version INTEGER PRIMARY KEY AUTOINCREMENT,
  made_ms INTEGER NOT NULL,        -- since 1970
  what TEXT NOT NULL,
  bank TEXT NOT NULL,
  content_id TEXT NOT NULL         -- '' where the change is to a bank
) STRICT;
)sql";

constexpr const char* kChangeIndex = "CREATE INDEX change_made ON change (made_ms)";

// Of version 1, which kept no more than what there is. Rows keep their numbers, and numbers that
// were given stay given.
constexpr const char* kRenameOld = R"sql(
ALTER TABLE reference RENAME TO old_reference;
ALTER TABLE bank RENAME TO old_bank;
)sql";
constexpr const char* kCopyOld = R"sql(
INSERT INTO bank (id, name) SELECT id, name FROM old_bank;
INSERT INTO bank_settings (bank_id, action, probes, seconds_min, paused, added_version)
  SELECT id, action, probes, seconds_min, paused, 0 FROM old_bank;
INSERT INTO items (id, items, digest) SELECT id, items, items_digest FROM old_reference;
INSERT INTO reference (id, bank_id, content_id, title, metadata, algorithm, duration_seconds,
                       enrolled_ms, added_ms, item_count, bands, items_id,
                       added_version)
  SELECT id, bank_id, content_id, title, metadata, algorithm, duration_seconds, enrolled_ms,
         enrolled_ms, length(items) / 4, 1, id, 0 FROM old_reference;
DELETE FROM sqlite_sequence WHERE name IN ('bank', 'reference');
UPDATE sqlite_sequence SET name = substr(name, 5) WHERE name IN ('old_bank', 'old_reference');
INSERT INTO note (name, value) SELECT 'oldest_version', coalesce(max(version), 0) FROM change;
DROP TABLE old_reference;
DROP TABLE old_bank;
)sql";

void set_version(Database& database) {
  database.execute(("PRAGMA user_version = " + std::to_string(kSchemaVersion)).c_str());
}

}  // namespace

void make_tables(Database& database) {
  Transaction transaction(database);
  database.execute(kTables);
  database.execute(kUnchangedTables);
  database.execute(kChangeIndex);
  database.execute(("PRAGMA application_id = " + std::to_string(kApplicationId)).c_str());
  set_version(database);
  transaction.commit();
}

IndexResult<int64_t> check_schema(Database& database, const std::string& path) {
  const int64_t application = database.integer("PRAGMA application_id");
  const int64_t version = database.integer("PRAGMA user_version");
  if (application != kApplicationId) {
    return tl::unexpected(IndexError{IndexError::Kind::kCorrupt, path + " is not a catalogue"});
  }
  if (version < 1) {
    return tl::unexpected(
        IndexError{IndexError::Kind::kCorrupt, path + " is damaged: it has no schema version"});
  }
  if (version > kSchemaVersion) {
    return tl::unexpected(
        IndexError{IndexError::Kind::kConflict, path + " was made by a newer Soundgate (schema " +
                                                    std::to_string(version) + ", this one knows " +
                                                    std::to_string(kSchemaVersion) + ")"});
  }
  return version;
}

IndexResult<void> migrate(Database& database, int64_t from, const std::string& path) {
  const std::string copy = path + ".schema-" + std::to_string(from);
  if (auto copied = copy_database(path, copy); !copied) return copied;
  Transaction transaction(database);
  database.execute(kRenameOld);
  database.execute(kTables);
  database.execute(kCopyOld);
  database.execute(kChangeIndex);
  set_version(database);
  transaction.commit();
  return {};
}

}  // namespace soundgate
