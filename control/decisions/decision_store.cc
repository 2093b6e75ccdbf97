#include "control/decisions/decision_store.h"

#include <algorithm>
#include <cstring>

#include "control/decisions/database.h"
#include "control/decisions/verdict_json.h"
#include "control/limits.h"
#include "control/text.h"
#include "index/banded_items.h"

namespace soundgate {

using sqlite::Database;
using sqlite::DatabaseError;
using sqlite::Statement;
using sqlite::Transaction;

namespace {

constexpr int64_t kSchemaVersion = 2;

constexpr const char* kSchema = R"sql(
CREATE TABLE decisions(
  upload_id TEXT PRIMARY KEY, time REAL NOT NULL, verdict TEXT NOT NULL, checked TEXT NOT NULL,
  request_id TEXT NOT NULL, json TEXT NOT NULL) WITHOUT ROWID;
CREATE INDEX decisions_by_time ON decisions(time, upload_id);
CREATE INDEX decisions_by_request ON decisions(request_id) WHERE request_id <> '';
CREATE TABLE items(
  upload_id TEXT PRIMARY KEY, time REAL NOT NULL, algorithm INTEGER NOT NULL,
  duration_seconds REAL NOT NULL, items BLOB NOT NULL, bands INTEGER NOT NULL DEFAULT 1);
CREATE INDEX items_by_time ON items(time, length(items));
CREATE TABLE modes(since REAL NOT NULL, mode TEXT NOT NULL, by TEXT NOT NULL, reason TEXT NOT NULL);
PRAGMA user_version = 2;
)sql";

// What older versions may find and leave alone.
constexpr const char* kLaterTables = R"sql(
CREATE TABLE IF NOT EXISTS skips(
  what TEXT PRIMARY KEY, until REAL NOT NULL, by TEXT NOT NULL, reason TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS bypasses(began REAL PRIMARY KEY, ended REAL, cause TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS captures(
  capture_id TEXT PRIMARY KEY, client TEXT NOT NULL, upload_id TEXT NOT NULL,
  written INTEGER NOT NULL, began REAL NOT NULL, until REAL NOT NULL, by TEXT NOT NULL,
  reason TEXT NOT NULL, ended REAL, ended_by TEXT NOT NULL, stopped_by TEXT NOT NULL,
  frames INTEGER NOT NULL, lost_frames INTEGER NOT NULL, bytes INTEGER NOT NULL) WITHOUT ROWID;
)sql";

constexpr const char* kMigrateFrom1 = R"sql(
ALTER TABLE items ADD COLUMN bands INTEGER NOT NULL DEFAULT 1;
PRAGMA user_version = 2;
)sql";

void prepare_schema(Database& database, const std::filesystem::path& file) {
  database.run("PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL");
  const int64_t version = database.number("PRAGMA user_version");
  if (version > kSchemaVersion) {
    throw DatabaseError(file.string() + ": written by a newer Soundgate (schema " +
                        std::to_string(version) + ", this one knows " +
                        std::to_string(kSchemaVersion) + ")");
  }
  Transaction transaction(database);
  if (version != kSchemaVersion) database.run(version == 1 ? kMigrateFrom1 : kSchema);
  database.run(kLaterTables);
  transaction.commit();
}

void add(DecisionCounts& counts, VerdictKind verdict, int64_t rows) {
  counts.all += rows;
  if (verdict == VerdictKind::kPass) counts.pass += rows;
  if (verdict == VerdictKind::kFlag) counts.flag += rows;
  if (verdict == VerdictKind::kBlock) counts.block += rows;
}

DecisionCounts count(Database& database) {
  DecisionCounts counts;
  Statement statement(database, "SELECT verdict, count(*) FROM decisions GROUP BY verdict");
  while (statement.step()) {
    const auto verdict = parse_verdict(statement.text(0));
    add(counts, verdict.value_or(VerdictKind::kFlag), statement.integer(1));
  }
  return counts;
}

void write_items(Database& database, const DecisionRow& row) {
  Statement insert(database, "INSERT OR REPLACE INTO items VALUES(?, ?, ?, ?, ?, ?)");
  insert.bind(row.upload_id).bind(epoch_seconds(row.time));
  insert.bind(int64_t{row.fingerprint.algorithm}).bind(row.fingerprint.duration_seconds);
  const BandedItems items(row.fingerprint);
  insert.bind(std::as_bytes(items.all())).bind(static_cast<int64_t>(items.band_count())).run();
}

std::string where_clause(const DecisionFilter& filter) {
  std::string where = " WHERE 1";
  if (filter.verdict) where += " AND verdict = ?";
  if (filter.checked) where += " AND checked = ?";
  if (filter.since) where += " AND time >= ?";
  if (!filter.request_id.empty()) where += " AND request_id = ?";
  return where;
}

void bind_filter(Statement& statement, const DecisionFilter& filter) {
  if (filter.verdict) statement.bind(name(*filter.verdict));
  if (filter.checked) statement.bind(name(*filter.checked));
  if (filter.since) statement.bind(epoch_seconds(*filter.since));
  if (!filter.request_id.empty()) statement.bind(filter.request_id);
}

tl::unexpected<Error> failure(const DatabaseError& error) {
  return fail(error.is_damaged ? ErrorCode::kVerification : ErrorCode::kInternal, error.what());
}

// Where a list begins: from this row on, or after it.
struct Start {
  double time = 0;
  std::string upload_id;
};

std::optional<Start> start_of(Database& database, const DecisionFilter& filter) {
  if (!filter.after.empty()) {
    Statement select(database, "SELECT time FROM decisions WHERE upload_id = ?");
    if (!select.bind(filter.after).step()) return {};
    return Start{select.real(0), filter.after};
  }
  Statement select(database, "SELECT time, upload_id FROM decisions" + where_clause(filter) +
                                 " ORDER BY time DESC, upload_id DESC LIMIT 1 OFFSET ?");
  bind_filter(select, filter);
  if (!select.bind(int64_t{filter.limit} - 1).step()) return Start{};  // there are fewer: all
  return Start{select.real(0), select.text(1)};
}

DecisionPage page_from(Database& database, const DecisionFilter& filter, const Start& start) {
  const std::string from = filter.after.empty() ? ">=" : ">";
  Statement select(database, "SELECT upload_id, json FROM decisions" + where_clause(filter) +
                                 " AND (time, upload_id) " + from +
                                 " (?, ?) ORDER BY time, upload_id LIMIT ?");
  bind_filter(select, filter);
  select.bind(start.time).bind(start.upload_id).bind(int64_t{filter.limit});
  DecisionPage page;
  std::string last;
  for (size_t bytes = 0; select.step(); last = select.text(0)) {
    if (bytes >= kDecisionsPageBytes) {
      page.next = last;
      return page;
    }
    page.rows.push_back(select.text(1));
    bytes += page.rows.back().size();
  }
  return page;
}

}  // namespace

DecisionStore::DecisionStore(std::unique_ptr<Database> database)
    : database_(std::move(database)), counts_(count(*database_)) {}

DecisionStore::~DecisionStore() = default;

template <class Work>
auto DecisionStore::guarded(const Work& work) -> Result<decltype(work())> {
  const std::lock_guard lock(mutex_);
  try {
    if constexpr (std::is_void_v<decltype(work())>) {
      work();
      return {};
    } else {
      return work();
    }
  } catch (const DatabaseError& error) {
    return failure(error);
  }
}

Result<std::unique_ptr<DecisionStore>> DecisionStore::open(const std::filesystem::path& store) {
  const std::filesystem::path file = store / "decisions.db";
  try {
    auto database = std::make_unique<Database>(file);
    prepare_schema(*database, file);
    return std::unique_ptr<DecisionStore>(new DecisionStore(std::move(database)));
  } catch (const DatabaseError& error) {
    return failure(error);
  }
}

Result<void> DecisionStore::write(std::span<const DecisionRow> rows) {
  return guarded([&] {
    Transaction transaction(*database_);
    Statement is_there(*database_, "SELECT 1 FROM decisions WHERE upload_id = ?");
    Statement insert(*database_, "INSERT OR REPLACE INTO decisions VALUES(?, ?, ?, ?, ?, ?)");
    DecisionCounts counts = counts_;
    for (const DecisionRow& row : rows) {
      if (!is_there.bind(row.upload_id).step()) add(counts, row.verdict, 1);
      is_there.reset();
      insert.bind(row.upload_id).bind(epoch_seconds(row.time)).bind(name(row.verdict));
      insert.bind(name(row.checked)).bind(row.request_id).bind(row.json).run();
      if (!row.fingerprint.items.empty()) write_items(*database_, row);
    }
    transaction.commit();
    counts_ = counts;
  });
}

Result<void> DecisionStore::prune_items(WallTime older_than, int64_t bytes_max) {
  return guarded([&] {
    Statement(*database_, "DELETE FROM items WHERE time < ?").bind(epoch_seconds(older_than)).run();
    Statement(*database_,
              "DELETE FROM items WHERE rowid IN (SELECT rowid FROM (SELECT rowid, "
              "sum(length(items)) OVER (ORDER BY time DESC, rowid DESC) AS bytes FROM items) "
              "WHERE bytes > ?)")
        .bind(bytes_max)
        .run();
  });
}

Result<DecisionPage> DecisionStore::page(const DecisionFilter& filter) {
  const auto start = guarded([&] { return start_of(*database_, filter); });
  if (!start) return tl::unexpected(start.error());
  if (!*start) {
    return fail(ErrorCode::kNotFound, "there is no decision " + escape_controls(filter.after));
  }
  return guarded([&] { return page_from(*database_, filter, **start); });
}

Result<std::string> DecisionStore::json(const std::string& upload_id) {
  auto found = guarded([&] {
    Statement select(*database_, "SELECT json FROM decisions WHERE upload_id = ?");
    select.bind(upload_id);
    return select.step() ? select.text(0) : std::string();
  });
  if (found && found->empty()) {
    return fail(ErrorCode::kNotFound, "there is no decision " + escape_controls(upload_id));
  }
  return found;
}

Result<Fingerprint> DecisionStore::fingerprint(const std::string& upload_id) {
  auto found = guarded([&] {
    Fingerprint fingerprint;
    Statement select(
        *database_,
        "SELECT algorithm, duration_seconds, items, bands FROM items WHERE upload_id = ?");
    select.bind(upload_id);
    if (!select.step()) return fingerprint;
    const auto blob = select.blob(2);
    std::vector<Item> all(blob.size() / sizeof(Item));
    std::memcpy(all.data(), blob.data(), all.size() * sizeof(Item));
    const auto bands = static_cast<size_t>(select.integer(3));
    fingerprint =
        BandedItems(std::move(all), bands == kBandCount ? bands : 1).fingerprint(select.real(1));
    fingerprint.algorithm = static_cast<int>(select.integer(0));
    return fingerprint;
  });
  if (found && found->items.empty()) {
    return fail(ErrorCode::kNotFound, "no items are kept of upload " + escape_controls(upload_id));
  }
  return found;
}

DecisionCounts DecisionStore::counts() const {
  const std::lock_guard lock(mutex_);
  return counts_;
}

Result<std::optional<ModeRecord>> DecisionStore::mode() {
  return guarded([&]() -> std::optional<ModeRecord> {
    Statement select(*database_,
                     "SELECT since, mode, by, reason FROM modes ORDER BY rowid DESC LIMIT 1");
    if (!select.step()) return {};
    return ModeRecord{select.text(1) == "enforce" ? Mode::kEnforce : Mode::kObserve,
                      from_epoch_seconds(select.real(0)), select.text(2), select.text(3)};
  });
}

Result<void> DecisionStore::set_mode(const ModeRecord& record) {
  return guarded([&] {
    Statement insert(*database_, "INSERT INTO modes VALUES(?, ?, ?, ?)");
    insert.bind(epoch_seconds(record.since)).bind(name(record.mode));
    insert.bind(record.by).bind(record.reason).run();
  });
}

Result<std::vector<SkipRecord>> DecisionStore::skips() {
  return guarded([&] {
    std::vector<SkipRecord> skips;
    Statement select(*database_, "SELECT what, until, by, reason FROM skips ORDER BY what");
    while (select.step()) {
      skips.push_back(
          {select.text(0), from_epoch_seconds(select.real(1)), select.text(2), select.text(3)});
    }
    return skips;
  });
}

Result<void> DecisionStore::set_skips(std::span<const SkipRecord> skips) {
  return guarded([&] {
    Transaction transaction(*database_);
    database_->run("DELETE FROM skips");
    Statement insert(*database_, "INSERT INTO skips VALUES(?, ?, ?, ?)");
    for (const SkipRecord& skip : skips) {
      insert.bind(skip.what).bind(epoch_seconds(skip.until)).bind(skip.by).bind(skip.reason).run();
    }
    transaction.commit();
  });
}

Result<std::vector<BypassRecord>> DecisionStore::bypasses(int limit) {
  return guarded([&] {
    std::vector<BypassRecord> bypasses;
    // Without an end: negative.
    Statement select(*database_,
                     "SELECT began, coalesce(ended, -1), cause FROM bypasses ORDER BY began DESC "
                     "LIMIT ?");
    select.bind(int64_t{limit});
    while (select.step()) {
      BypassRecord bypass{from_epoch_seconds(select.real(0)), {}, select.text(2)};
      if (select.real(1) >= 0) bypass.ended = from_epoch_seconds(select.real(1));
      bypasses.push_back(std::move(bypass));
    }
    std::reverse(bypasses.begin(), bypasses.end());
    return bypasses;
  });
}

Result<void> DecisionStore::add_bypasses(std::span<const BypassRecord> bypasses) {
  return guarded([&] {
    Transaction transaction(*database_);
    // What is over stays as it was told first.
    Statement insert(*database_,
                     "INSERT INTO bypasses VALUES(?, nullif(?, -1.0), ?) ON CONFLICT(began) DO "
                     "UPDATE SET ended = excluded.ended WHERE bypasses.ended IS NULL");
    for (const BypassRecord& bypass : bypasses) {
      insert.bind(epoch_seconds(bypass.began));
      insert.bind(bypass.ended ? epoch_seconds(*bypass.ended) : -1.0).bind(bypass.cause).run();
    }
    Statement(*database_,
              "DELETE FROM bypasses WHERE began <= (SELECT began FROM bypasses "
              "ORDER BY began DESC LIMIT 1 OFFSET ?)")
        .bind(int64_t{kBypassesKeptMax})
        .run();
    transaction.commit();
  });
}

Result<std::vector<CaptureRecord>> DecisionStore::captures(int limit) {
  return guarded([&] {
    std::vector<CaptureRecord> captures;
    Statement select(*database_,
                     "SELECT capture_id, client, upload_id, written, began, until, by, reason, "
                     "coalesce(ended, -1), ended_by, stopped_by, frames, lost_frames, bytes "
                     "FROM captures ORDER BY began DESC, capture_id DESC LIMIT ?");
    select.bind(int64_t{limit});
    while (select.step()) {
      CaptureRecord capture{.capture_id = select.text(0),
                            .client = select.text(1),
                            .upload_id = select.text(2),
                            .written = select.integer(3) != 0,
                            .began = from_epoch_seconds(select.real(4)),
                            .until = from_epoch_seconds(select.real(5)),
                            .by = select.text(6),
                            .reason = select.text(7)};
      if (select.real(8) >= 0) capture.ended = from_epoch_seconds(select.real(8));
      capture.ended_by = select.text(9);
      capture.stopped_by = select.text(10);
      capture.frames = select.integer(11);
      capture.lost_frames = select.integer(12);
      capture.bytes = select.integer(13);
      captures.push_back(std::move(capture));
    }
    std::reverse(captures.begin(), captures.end());
    return captures;
  });
}

Result<void> DecisionStore::add_capture(const CaptureRecord& capture) {
  const auto is_new = guarded([&] {
    Statement select(*database_, "SELECT 1 FROM captures WHERE capture_id = ?");
    return !select.bind(capture.capture_id).step();
  });
  if (!is_new) return tl::unexpected(is_new.error());
  if (!*is_new) {
    return fail(ErrorCode::kConflict,
                "there was a capture " + escape_controls(capture.capture_id) + " before");
  }
  return change_capture(capture);
}

Result<void> DecisionStore::change_capture(const CaptureRecord& capture) {
  return guarded([&] {
    Statement insert(*database_,
                     "INSERT OR REPLACE INTO captures "
                     "VALUES(?, ?, ?, ?, ?, ?, ?, ?, nullif(?, -1.0), ?, ?, ?, ?, ?)");
    insert.bind(capture.capture_id).bind(capture.client).bind(capture.upload_id);
    insert.bind(int64_t{capture.written}).bind(epoch_seconds(capture.began));
    insert.bind(epoch_seconds(capture.until)).bind(capture.by).bind(capture.reason);
    insert.bind(capture.ended ? epoch_seconds(*capture.ended) : -1.0).bind(capture.ended_by);
    insert.bind(capture.stopped_by).bind(capture.frames).bind(capture.lost_frames);
    insert.bind(capture.bytes).run();
  });
}

}  // namespace soundgate
