// SQLite, fenced: connection and statements with their lifetimes, and errors as DatabaseError.
// The one place in this room where SQLite is spoken; the catalogue turns the exceptions into
// IndexErrors at its own edge.
// Thread: one at a time.
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <stdexcept>
#include <string>
#include <string_view>

#include "index/index.h"

struct sqlite3;
struct sqlite3_stmt;

namespace soundgate {

struct DatabaseError : std::runtime_error {
  DatabaseError(int code_, const std::string& message) : std::runtime_error(message), code(code_) {}
  bool is_corruption() const;
  int code;  // SQLite's primary result code
};

// kCorrupt where the database says that it is, kConflict where it was told to stop, else
// kInputOutput.
IndexError error_of(const DatabaseError& error, const std::string& path);

// Prepared once, run many times. Parameters count from 1, columns from 0.
class Statement {
 public:
  Statement(sqlite3* connection, std::string_view sql);

  Statement& bind(int parameter, int64_t value);
  Statement& bind(int parameter, double value);
  Statement& bind(int parameter, std::string_view text);
  Statement& bind(int parameter, std::span<const uint8_t> blob);
  Statement& bind(int parameter, std::optional<int64_t> value);

  // True while there is a row; after the last one the statement is ready to be bound again.
  bool step();
  void run();    // for statements that return no rows
  void reset();  // from any row to where it can be bound again

  int64_t integer(int column) const;
  double real(int column) const;
  std::string text(int column) const;
  std::span<const uint8_t> blob(int column) const;  // until the next step
  bool is_null(int column) const;

 private:
  struct Finalize {
    void operator()(sqlite3_stmt* statement) const;
  };
  void check(int code) const;

  sqlite3* connection_;
  std::unique_ptr<sqlite3_stmt, Finalize> statement_;
};

class Database {
 public:
  // Opens or makes the file. WAL, and every commit reaches the disk before it returns.
  explicit Database(const std::filesystem::path& path);

  void execute(const char* sql);
  Statement prepare(std::string_view sql) { return Statement(connection_.get(), sql); }
  int64_t integer(std::string_view sql);  // of a query with one row and column
  int64_t last_insert_id() const;
  // Statements that take long ask now and then, and fail where it says so.
  void stop_when(std::function<bool()> stop);

 private:
  struct Close {
    void operator()(sqlite3* connection) const;
  };
  std::unique_ptr<std::function<bool()>> stop_;  // where SQLite finds it
  std::unique_ptr<sqlite3, Close> connection_;
};

// Rolls back unless it was committed.
class Transaction {
 public:
  explicit Transaction(Database& database);
  ~Transaction();
  void commit();
  Transaction(const Transaction&) = delete;
  Transaction& operator=(const Transaction&) = delete;

 private:
  Database& database_;
  bool open_ = true;
};

}  // namespace soundgate
