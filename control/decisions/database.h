// SQLite, fenced: connections, statements and transactions that clean up after themselves.
// Errors: DatabaseError (an exception), caught by DecisionStore and never seen outside it.
// Thread: one at a time per connection.  For decisions/ only.
#pragma once

#include <sqlite3.h>

#include <cstdint>
#include <filesystem>
#include <span>
#include <stdexcept>
#include <string>
#include <string_view>

namespace soundgate::sqlite {

class DatabaseError : public std::runtime_error {
 public:
  explicit DatabaseError(const std::string& what, bool damaged = false)
      : std::runtime_error(what), is_damaged(damaged) {}
  const bool is_damaged;  // the file is not what was written
};

class Database {
 public:
  explicit Database(const std::filesystem::path& file);
  ~Database();
  Database(const Database&) = delete;
  Database& operator=(const Database&) = delete;

  void run(const char* sql);  // one or more statements without results
  int64_t number(const char* sql);
  sqlite3* handle() const { return handle_; }
  [[noreturn]] void raise() const;

 private:
  sqlite3* handle_ = nullptr;
  std::string file_;
};

// A prepared statement. Bound texts and blobs must live until the next step.
class Statement {
 public:
  Statement(Database& database, std::string_view sql);
  ~Statement();
  Statement(const Statement&) = delete;
  Statement& operator=(const Statement&) = delete;

  Statement& bind(std::string_view text);
  Statement& bind(double value);
  Statement& bind(int64_t value);
  Statement& bind(std::span<const std::byte> blob);

  bool step();  // true: there is a row
  void run() {  // for statements without rows; ready to be bound again
    step();
    reset();
  }
  void reset();

  std::string text(int column) const;
  int64_t integer(int column) const;
  double real(int column) const;
  std::span<const std::byte> blob(int column) const;

 private:
  void check(int code);
  Database& database_;
  sqlite3_stmt* statement_ = nullptr;
  int bound_count_ = 0;
};

// Rolled back unless committed.
class Transaction {
 public:
  explicit Transaction(Database& database) : database_(database) {
    database_.run("BEGIN IMMEDIATE");
  }
  ~Transaction();
  void commit();

 private:
  Database& database_;
  bool open_ = true;
};

}  // namespace soundgate::sqlite
