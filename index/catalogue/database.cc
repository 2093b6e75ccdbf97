#include "index/catalogue/database.h"

#include <sqlite3.h>

namespace soundgate {
namespace {

constexpr int kPrimaryCodeMask = 0xff;

[[noreturn]] void fail(sqlite3* connection, int code) {
  std::string message = connection ? sqlite3_errmsg(connection) : sqlite3_errstr(code);
  throw DatabaseError(code & kPrimaryCodeMask, message);
}

}  // namespace

bool DatabaseError::is_corruption() const {
  return code == SQLITE_CORRUPT || code == SQLITE_NOTADB;
}

IndexError error_of(const DatabaseError& error, const std::string& path) {
  if (error.is_corruption()) {
    return {IndexError::Kind::kCorrupt, path + " is damaged: " + error.what()};
  }
  if (error.code == SQLITE_INTERRUPT) {
    return {IndexError::Kind::kConflict, path + ": it was told to stop"};
  }
  return {IndexError::Kind::kInputOutput, path + ": " + error.what()};
}

Statement::Statement(sqlite3* connection, std::string_view sql) : connection_(connection) {
  sqlite3_stmt* statement = nullptr;
  check(sqlite3_prepare_v3(connection, sql.data(), static_cast<int>(sql.size()), 0, &statement,
                           nullptr));
  statement_.reset(statement);
}

void Statement::Finalize::operator()(sqlite3_stmt* statement) const { sqlite3_finalize(statement); }

void Statement::check(int code) const {
  if (code != SQLITE_OK) fail(connection_, code);
}

Statement& Statement::bind(int parameter, int64_t value) {
  check(sqlite3_bind_int64(statement_.get(), parameter, value));
  return *this;
}

Statement& Statement::bind(int parameter, double value) {
  check(sqlite3_bind_double(statement_.get(), parameter, value));
  return *this;
}

Statement& Statement::bind(int parameter, std::string_view text) {
  check(sqlite3_bind_text64(statement_.get(), parameter, text.data() ? text.data() : "",
                            text.size(), SQLITE_TRANSIENT, SQLITE_UTF8));
  return *this;
}

Statement& Statement::bind(int parameter, std::span<const uint8_t> blob) {
  check(
      sqlite3_bind_blob64(statement_.get(), parameter, blob.data(), blob.size(), SQLITE_TRANSIENT));
  return *this;
}

Statement& Statement::bind(int parameter, std::optional<int64_t> value) {
  if (value) return bind(parameter, *value);
  check(sqlite3_bind_null(statement_.get(), parameter));
  return *this;
}

bool Statement::step() {
  const int code = sqlite3_step(statement_.get());
  if (code == SQLITE_ROW) return true;
  const int reset_code = sqlite3_reset(statement_.get());  // says again what the step said
  if (code != SQLITE_DONE) fail(connection_, reset_code == SQLITE_OK ? code : reset_code);
  return false;
}

void Statement::reset() { sqlite3_reset(statement_.get()); }

void Statement::run() {
  while (step()) {
  }
}

int64_t Statement::integer(int column) const {
  return sqlite3_column_int64(statement_.get(), column);
}

double Statement::real(int column) const { return sqlite3_column_double(statement_.get(), column); }

std::string Statement::text(int column) const {
  const auto* text = reinterpret_cast<const char*>(sqlite3_column_text(statement_.get(), column));
  const auto size = static_cast<size_t>(sqlite3_column_bytes(statement_.get(), column));
  return text ? std::string(text, size) : std::string();
}

std::span<const uint8_t> Statement::blob(int column) const {
  const auto* bytes = static_cast<const uint8_t*>(sqlite3_column_blob(statement_.get(), column));
  return {bytes, bytes ? static_cast<size_t>(sqlite3_column_bytes(statement_.get(), column)) : 0};
}

bool Statement::is_null(int column) const {
  return sqlite3_column_type(statement_.get(), column) == SQLITE_NULL;
}

Database::Database(const std::filesystem::path& path) {
  sqlite3* connection = nullptr;
  const int code = sqlite3_open_v2(path.c_str(), &connection,
                                   SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE, nullptr);
  connection_.reset(connection);  // to be closed even when opening failed
  if (code != SQLITE_OK) fail(connection, code);
  sqlite3_busy_timeout(connection, 5000);  // a backup or a reader from outside
  sqlite3_db_config(connection, SQLITE_DBCONFIG_DEFENSIVE, 1, nullptr);
  execute("PRAGMA journal_mode = WAL");
  execute("PRAGMA synchronous = FULL");
  execute("PRAGMA foreign_keys = ON");
  execute("PRAGMA cell_size_check = ON");
}

void Database::Close::operator()(sqlite3* connection) const { sqlite3_close_v2(connection); }

void Database::execute(const char* sql) {
  const int code = sqlite3_exec(connection_.get(), sql, nullptr, nullptr, nullptr);
  if (code != SQLITE_OK) fail(connection_.get(), code);
}

int64_t Database::integer(std::string_view sql) {
  Statement statement = prepare(sql);
  if (!statement.step()) throw DatabaseError(SQLITE_CORRUPT, "no row where there must be one");
  return statement.integer(0);
}

int64_t Database::last_insert_id() const { return sqlite3_last_insert_rowid(connection_.get()); }

void Database::stop_when(std::function<bool()> stop) {
  constexpr int kInstructions = 10'000;
  sqlite3_progress_handler(connection_.get(), 0, nullptr, nullptr);
  if (!stop) return;
  stop_ = std::make_unique<std::function<bool()>>(std::move(stop));
  const auto ask = [](void* asked) {
    return (*static_cast<std::function<bool()>*>(asked))() ? 1 : 0;
  };
  sqlite3_progress_handler(connection_.get(), kInstructions, ask, stop_.get());
}

Transaction::Transaction(Database& database) : database_(database) {
  database_.execute("BEGIN IMMEDIATE");
}

Transaction::~Transaction() {
  if (!open_) return;
  try {
    database_.execute("ROLLBACK");
  } catch (const DatabaseError&) {
    // SQLite has rolled back by itself; the error that brought us here is already on its way.
  }
}

void Transaction::commit() {
  database_.execute("COMMIT");
  open_ = false;
}

}  // namespace soundgate
