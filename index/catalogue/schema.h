// The tables of the catalogue, and their version.
// Errors: DatabaseError; IndexError kCorrupt for a database that is not a catalogue, kConflict for
//   one that a newer Soundgate made.
#pragma once

#include "index/catalogue/database.h"
#include "index/index.h"

namespace soundgate {

inline constexpr int64_t kSchemaVersion = 1;
inline constexpr int64_t kApplicationId = 0x53474958;  // "SGIX", in the file's header

void make_tables(Database& database);  // in an empty database

IndexResult<void> check_schema(Database& database, const std::string& path);

}  // namespace soundgate
