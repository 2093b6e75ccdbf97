#include "index/catalogue/schema.h"

namespace soundgate {
namespace {

// Suppressions go by name, not by row: they outlive their reference and their bank.
// A change's version is never given again, so that versions only grow.
constexpr const char* kTables = R"sql(
CREATE TABLE bank (
  id INTEGER PRIMARY KEY AUTOINCREMENT,
  name TEXT NOT NULL UNIQUE,
  action TEXT NOT NULL,
  probes TEXT NOT NULL,
  seconds_min REAL NOT NULL,
  paused INTEGER NOT NULL
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
  items BLOB NOT NULL,             -- 32 bits each, little-endian
  items_digest INTEGER NOT NULL,   -- XXH3, 64 bits, of the blob
  UNIQUE (bank_id, content_id)
) STRICT;

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

}  // namespace

void make_tables(Database& database) {
  Transaction transaction(database);
  database.execute(kTables);
  database.execute(("PRAGMA application_id = " + std::to_string(kApplicationId)).c_str());
  database.execute(("PRAGMA user_version = " + std::to_string(kSchemaVersion)).c_str());
  transaction.commit();
}

IndexResult<void> check_schema(Database& database, const std::string& path) {
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
  return {};
}

}  // namespace soundgate
