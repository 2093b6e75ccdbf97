// Catalogue: what was there in earlier versions, how to have it back, and when to forget it.
#include <algorithm>

#include "index/catalogue/catalogue.h"
#include "index/catalogue/catalogue_rows.h"
#include "index/limits.h"

namespace soundgate {
namespace {

using std::chrono::system_clock;

constexpr std::string_view kOldestVersion = "oldest_version";

std::optional<int64_t> read_note(Database& database, std::string_view name) {
  Statement row = database.prepare("SELECT value FROM note WHERE name = ?");
  row.bind(1, name);
  if (!row.step()) return std::nullopt;
  return row.integer(0);
}

void write_note(Database& database, std::string_view name, int64_t value) {
  database.prepare("INSERT OR REPLACE INTO note (name, value) VALUES (?, ?)")
      .bind(1, name)
      .bind(2, value)
      .run();
}

int64_t newest_version_until(Database& database, int64_t made_ms) {
  Statement row = database.prepare(
      "SELECT version FROM change WHERE made_ms <= ? ORDER BY made_ms DESC, version DESC LIMIT 1");
  row.bind(1, made_ms);
  return row.step() ? row.integer(0) : 0;
}

std::vector<Bank> banks_in(Database& database, int64_t version) {
  std::vector<Bank> banks;
  Statement rows = database.prepare(
      "SELECT id, name, action, probes, seconds_min, paused FROM bank JOIN bank_settings ON "
      "bank_id = id WHERE added_version <= ?1 AND (removed_version IS NULL OR removed_version > "
      "?1)");
  rows.bind(1, version);
  while (rows.step()) banks.push_back(bank_of(rows));
  return banks;
}

// Those that are there and were not. What has the same items is the same enrolment.
std::vector<int64_t> added_since(Database& database, int64_t version) {
  std::vector<int64_t> ids;
  Statement rows = database.prepare(
      "SELECT id FROM reference AS new WHERE removed_version IS NULL AND added_version > ?1 AND "
      "NOT "
      "EXISTS (SELECT 1 FROM reference AS old WHERE old.items_id = new.items_id AND "
      "old.added_version <= ?1 AND old.removed_version > ?1) ORDER BY id");
  rows.bind(1, version);
  while (rows.step()) ids.push_back(rows.integer(0));
  return ids;
}

std::vector<StoredReference> removed_since(Database& database, int64_t version) {
  std::vector<StoredReference> references;
  Statement rows = database.prepare(
      std::string("SELECT ") + kReferenceColumns +
      " FROM reference AS old WHERE removed_version > ?1 AND added_version <= ?1 AND NOT EXISTS "
      "(SELECT 1 FROM reference AS new WHERE new.items_id = old.items_id AND new.removed_version "
      "IS "
      "NULL) ORDER BY id");
  rows.bind(1, version);
  while (rows.step()) references.push_back(reference_of(rows));
  return references;
}

bool is_same(const Bank& left, const Bank& right) {
  return left.action == right.action && left.probes == right.probes &&
         left.seconds_min == right.seconds_min && left.paused == right.paused;
}

const Bank* find(const std::vector<Bank>& banks, int64_t id) {
  const auto found = std::ranges::find(banks, id, &Bank::id);
  return found == banks.end() ? nullptr : &*found;
}

// The next references to be forgotten: their ids, and those of their items.
std::vector<std::pair<int64_t, int64_t>> gone_until(Database& database, int64_t version) {
  std::vector<std::pair<int64_t, int64_t>> gone;
  Statement rows = database.prepare(
      "SELECT id, items_id FROM reference WHERE removed_version <= ? ORDER BY removed_version "
      "LIMIT ?");
  rows.bind(1, version).bind(2, kPurgeBatch);
  while (rows.step()) gone.emplace_back(rows.integer(0), rows.integer(1));
  return gone;
}

void forget(Database& database, int64_t reference_id, int64_t items_id) {
  database.prepare("DELETE FROM reference WHERE id = ?").bind(1, reference_id).run();
  database
      .prepare(
          "DELETE FROM items WHERE id = ?1 AND NOT EXISTS (SELECT 1 FROM reference WHERE items_id "
          "= ?1)")
      .bind(1, items_id)
      .run();
}

void forget_settings(Database& database, int64_t version) {
  database.prepare("DELETE FROM bank_settings WHERE removed_version <= ?").bind(1, version).run();
  database.execute(
      "DELETE FROM bank WHERE id NOT IN (SELECT bank_id FROM bank_settings) AND NOT EXISTS (SELECT "
      "1 FROM reference WHERE bank_id = bank.id)");
}

}  // namespace

IndexResult<Catalogue::History> Catalogue::history() {
  return fenced([&] {
    History history;
    history.oldest_version = read_note(database_, kOldestVersion).value_or(0);
    Statement row = database_.prepare("SELECT made_ms FROM change WHERE version = ?");
    row.bind(1, history.oldest_version);
    if (row.step()) history.oldest_made = time_of(row.integer(0));
    history.kept_count =
        database_.integer("SELECT count(*) FROM reference WHERE removed_version IS NOT NULL");
    return history;
  });
}

IndexResult<int64_t> Catalogue::version_at(system_clock::time_point time) {
  return fenced([&] { return newest_version_until(database_, milliseconds_of(time)); });
}

IndexResult<RollbackPlan> Catalogue::plan_rollback(int64_t version) {
  const auto oldest = fenced([&] { return read_note(database_, kOldestVersion).value_or(0); });
  const auto newest = this->version();
  if (!oldest) return tl::unexpected(oldest.error());
  if (!newest) return tl::unexpected(newest.error());
  if (version > *newest) {
    return tl::unexpected(IndexError{IndexError::Kind::kNotFound,
                                     "there is no version " + std::to_string(version) +
                                         " yet: the newest is " + std::to_string(*newest)});
  }
  if (version < *oldest) {
    return tl::unexpected(IndexError{IndexError::Kind::kNotFound,
                                     "version " + std::to_string(version) +
                                         " is not kept any more: the oldest that is kept is " +
                                         std::to_string(*oldest)});
  }
  return fenced([&] {
    return RollbackPlan{version, banks_in(database_, version), added_since(database_, version),
                        removed_since(database_, version)};
  });
}

IndexResult<int64_t> Catalogue::roll_back(const RollbackPlan& plan, int64_t first_id,
                                          system_clock::time_point now) {
  const auto banks_now = banks();
  if (!banks_now) return tl::unexpected(banks_now.error());
  const std::string what = "roll back to " + std::to_string(plan.to);
  return change(what, "", "", [&](int64_t version) {
    Statement end = database_.prepare("UPDATE reference SET removed_version = ? WHERE id = ?");
    for (const int64_t id : plan.goes) end.bind(1, version).bind(2, id).run();
    Statement add = database_.prepare(
        "INSERT INTO reference (id, bank_id, content_id, title, metadata, algorithm, "
        "duration_seconds, enrolled_ms, added_ms, item_count, bands, items_id, added_version) "
        "SELECT ?1, "
        "bank_id, content_id, title, metadata, algorithm, duration_seconds, enrolled_ms, ?2, "
        "item_count, bands, items_id, ?3 FROM reference WHERE id = ?4");
    int64_t id = first_id;
    for (const StoredReference& reference : plan.returns) {
      if (id >= kSlotsMax) throw DamagedRow{"there have been too many references"};
      add.bind(1, id++).bind(2, milliseconds_of(now)).bind(3, version).bind(4, reference.id).run();
    }
    for (const Bank& bank : *banks_now) {
      const Bank* then = find(plan.banks, bank.id);
      if (then == nullptr || !is_same(*then, bank)) end_settings(bank.id, version);
    }
    for (const Bank& bank : plan.banks) {
      const Bank* current = find(*banks_now, bank.id);
      if (current == nullptr || !is_same(*current, bank)) insert_settings(bank, version);
    }
  });
}

// What was removed in a version is needed for those before it, and for no other.
IndexResult<bool> Catalogue::purge(system_clock::time_point gone_before) {
  return fenced([&] {
    const int64_t version = newest_version_until(database_, milliseconds_of(gone_before));
    const auto gone = gone_until(database_, version);
    Statement settings =
        database_.prepare("SELECT count(*) FROM bank_settings WHERE removed_version <= ?");
    settings.bind(1, version);
    const bool has_settings = settings.step() && settings.integer(0) > 0;
    settings.reset();
    if (gone.empty() && !has_settings) return false;
    Transaction transaction(database_);
    if (version > read_note(database_, kOldestVersion).value_or(0)) {
      write_note(database_, kOldestVersion, version);
    }
    for (const auto& [reference_id, items_id] : gone) forget(database_, reference_id, items_id);
    const bool is_last = static_cast<int64_t>(gone.size()) < kPurgeBatch;
    if (is_last) forget_settings(database_, version);
    transaction.commit();
    return !is_last;
  });
}

IndexResult<std::optional<int64_t>> Catalogue::note(std::string_view name) {
  return fenced([&] { return read_note(database_, name); });
}

IndexResult<void> Catalogue::set_note(std::string_view name, int64_t value) {
  return fenced([&] { write_note(database_, name, value); });
}

}  // namespace soundgate
