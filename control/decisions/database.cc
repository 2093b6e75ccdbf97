#include "control/decisions/database.h"

namespace soundgate::sqlite {

namespace {
constexpr int kBusyMs = 5000;
}

Database::Database(const std::filesystem::path& file) : file_(file.string()) {
  const int flags = SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | SQLITE_OPEN_NOMUTEX;
  if (sqlite3_open_v2(file_.c_str(), &handle_, flags, nullptr) != SQLITE_OK) {
    const std::string why = handle_ != nullptr ? sqlite3_errmsg(handle_) : "out of memory";
    sqlite3_close_v2(handle_);
    throw DatabaseError(file_ + ": " + why);
  }
  sqlite3_busy_timeout(handle_, kBusyMs);
}

Database::~Database() { sqlite3_close_v2(handle_); }

void Database::raise() const {
  const int code = sqlite3_errcode(handle_);
  const bool damaged = code == SQLITE_NOTADB || code == SQLITE_CORRUPT;
  throw DatabaseError(file_ + (damaged ? " is damaged: " : ": ") + sqlite3_errmsg(handle_),
                      damaged);
}

void Database::run(const char* sql) {
  if (sqlite3_exec(handle_, sql, nullptr, nullptr, nullptr) != SQLITE_OK) raise();
}

int64_t Database::number(const char* sql) {
  Statement statement(*this, sql);
  return statement.step() ? statement.integer(0) : 0;
}

Statement::Statement(Database& database, std::string_view sql) : database_(database) {
  check(sqlite3_prepare_v2(database.handle(), sql.data(), static_cast<int>(sql.size()), &statement_,
                           nullptr));
}

Statement::~Statement() { sqlite3_finalize(statement_); }

void Statement::check(int code) {
  if (code != SQLITE_OK) database_.raise();
}

Statement& Statement::bind(std::string_view text) {
  check(sqlite3_bind_text(statement_, ++bound_count_, text.data(), static_cast<int>(text.size()),
                          SQLITE_STATIC));
  return *this;
}

Statement& Statement::bind(double value) {
  check(sqlite3_bind_double(statement_, ++bound_count_, value));
  return *this;
}

Statement& Statement::bind(int64_t value) {
  check(sqlite3_bind_int64(statement_, ++bound_count_, value));
  return *this;
}

Statement& Statement::bind(std::span<const std::byte> blob) {
  check(sqlite3_bind_blob64(statement_, ++bound_count_, blob.data(), blob.size(), SQLITE_STATIC));
  return *this;
}

bool Statement::step() {
  const int code = sqlite3_step(statement_);
  if (code == SQLITE_ROW) return true;
  if (code != SQLITE_DONE) database_.raise();
  return false;
}

void Statement::reset() {
  sqlite3_reset(statement_);
  bound_count_ = 0;
}

std::string Statement::text(int column) const {
  const auto* text = reinterpret_cast<const char*>(sqlite3_column_text(statement_, column));
  const int bytes = sqlite3_column_bytes(statement_, column);
  return text == nullptr ? std::string() : std::string(text, static_cast<size_t>(bytes));
}

int64_t Statement::integer(int column) const { return sqlite3_column_int64(statement_, column); }

double Statement::real(int column) const { return sqlite3_column_double(statement_, column); }

std::span<const std::byte> Statement::blob(int column) const {
  const auto* data = static_cast<const std::byte*>(sqlite3_column_blob(statement_, column));
  return {data, static_cast<size_t>(sqlite3_column_bytes(statement_, column))};
}

Transaction::~Transaction() {
  if (open_) sqlite3_exec(database_.handle(), "ROLLBACK", nullptr, nullptr, nullptr);
}

void Transaction::commit() {
  database_.run("COMMIT");
  open_ = false;
}

}  // namespace soundgate::sqlite
