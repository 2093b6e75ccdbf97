#include "index/catalogue/scrub.h"

#include <vector>

#include "index/catalogue/database.h"
#include "index/catalogue/items_blob.h"

namespace soundgate {
namespace {

constexpr int64_t kBatch = 256;
constexpr size_t kProblemsMax = 100;  // that SQLite tells of

struct Row {
  int64_t id, items_id, item_count;  // items of all bands
  std::string name;
};

std::vector<Row> rows_after(Database& database, int64_t id) {
  std::vector<Row> rows;
  Statement statement = database.prepare(
      "SELECT reference.id, items_id, item_count * bands, content_id || ' in bank ' || name FROM "
      "reference "
      "JOIN bank ON bank.id = bank_id WHERE reference.id > ? ORDER BY reference.id LIMIT ?");
  statement.bind(1, id).bind(2, kBatch);
  while (statement.step()) {
    rows.push_back(
        {statement.integer(0), statement.integer(1), statement.integer(2), statement.text(3)});
  }
  return rows;
}

bool is_there(Statement& reference, const Row& row) {
  reference.bind(1, row.id);
  const bool there = reference.step();
  reference.reset();
  return there;
}

// "" where they are as they were written, or gone with their reference by now.
std::string problem_of(Statement& items, Statement& reference, const Row& row) {
  try {
    items.bind(1, row.items_id);
    if (!items.step()) return is_there(reference, row) ? "its items are gone" : "";
    const auto blob = items.blob(0);
    const bool fits = items_digest(blob) == items.integer(1) &&
                      static_cast<int64_t>(blob.size() / sizeof(Item)) == row.item_count;
    items.run();
    return fits ? "" : "its items do not fit their digest";
  } catch (const DatabaseError& error) {
    items.reset();
    reference.reset();
    return std::string("its items cannot be read: ") + error.what();
  }
}

int64_t read_items(Database& database, const std::string& path, const CatalogueScrub& scrub) {
  Statement items = database.prepare("SELECT items, digest FROM items WHERE id = ?");
  Statement reference = database.prepare("SELECT 1 FROM reference WHERE id = ?");
  int64_t count = 0;
  for (int64_t last = 0; !scrub.stop();) {
    const auto rows = rows_after(database, last);
    if (rows.empty()) break;
    for (const Row& row : rows) {
      const std::string problem = problem_of(items, reference, row);
      if (!problem.empty()) scrub.damage({path + ", reference " + row.name, problem});
    }
    count += static_cast<int64_t>(rows.size());
    last = rows.back().id;
  }
  return count;
}

void check_pages(Database& database, const std::string& path, const CatalogueScrub& scrub) {
  Statement problems =
      database.prepare("PRAGMA integrity_check(" + std::to_string(kProblemsMax) + ")");
  while (problems.step()) {
    if (problems.text(0) != "ok") scrub.damage({path, problems.text(0)});
  }
}

}  // namespace

IndexResult<int64_t> scrub_catalogue(const std::string& path, const CatalogueScrub& scrub) {
  int64_t count = 0;
  try {
    Database database(path);
    database.stop_when(scrub.stop);
    try {
      count = read_items(database, path, scrub);
    } catch (const DatabaseError& error) {
      if (!error.is_corruption()) throw;
      scrub.damage({path, error.what()});
    }
    check_pages(database, path, scrub);
  } catch (const DatabaseError& error) {
    if (!error.is_corruption()) return tl::unexpected(error_of(error, path));
    scrub.damage({path, error.what()});
  }
  return count;
}

}  // namespace soundgate
