// The tables of the catalogue, and their version.
// Errors: DatabaseError; IndexError kCorrupt for a database that is not a catalogue, kConflict for
//   one that a newer Soundgate made.
#pragma once

#include "index/catalogue/database.h"
#include "index/index.h"

namespace soundgate {

inline constexpr int64_t kSchemaVersion = 2;
inline constexpr int64_t kApplicationId = 0x53474958;  // "SGIX", in the file's header

void make_tables(Database& database);  // in an empty database

// Which version it has: 1..kSchemaVersion.
IndexResult<int64_t> check_schema(Database& database, const std::string& path);

// Brings a database of an older version to kSchemaVersion, in one transaction. A copy of what was
// there stays beside it, as PATH.schema-1.
IndexResult<void> migrate(Database& database, int64_t from, const std::string& path);

}  // namespace soundgate
