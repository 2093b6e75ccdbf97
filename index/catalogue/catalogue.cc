#include "index/catalogue/catalogue.h"

#include <filesystem>

#include "index/banded_items.h"
#include "index/catalogue/catalogue_rows.h"
#include "index/catalogue/items_blob.h"
#include "index/catalogue/schema.h"
#include "index/catalogue/store_directory.h"
#include "index/limits.h"

namespace soundgate {

using std::chrono::system_clock;

int64_t Catalogue::log_change(std::string_view what, std::string_view bank,
                              std::string_view content_id) {
  database_.prepare("INSERT INTO change (made_ms, what, bank, content_id) VALUES (?, ?, ?, ?)")
      .bind(1, milliseconds_of(system_clock::now()))
      .bind(2, what)
      .bind(3, bank)
      .bind(4, content_id)
      .run();
  return database_.last_insert_id();
}

IndexResult<std::unique_ptr<Catalogue>> Catalogue::open(const std::filesystem::path& store,
                                                        const Index::Options& options) {
  auto lock = open_store_directory(store, options);
  if (!lock) return tl::unexpected(std::move(lock.error()));
  const std::string path = (store / kCatalogueFile).string();
  try {
    Database database(path);
    const auto schema = check_schema(database, path);
    if (!schema) return tl::unexpected(schema.error());
    if (*schema < kSchemaVersion) {
      if (auto migrated = migrate(database, *schema, path); !migrated) {
        return tl::unexpected(std::move(migrated.error()));
      }
    }
    return std::unique_ptr<Catalogue>(new Catalogue(std::move(*lock), std::move(database), path));
  } catch (const DatabaseError& error) {
    return tl::unexpected(error_of(error, path));
  }
}

IndexResult<int64_t> Catalogue::version() {
  return fenced([&] { return database_.integer("SELECT coalesce(max(version), 0) FROM change"); });
}

int64_t Catalogue::bytes() const {
  std::error_code ignored;
  const auto bytes = std::filesystem::file_size(path_, ignored);
  return ignored ? 0 : static_cast<int64_t>(bytes);
}

IndexResult<int64_t> Catalogue::reference_id_end() {
  return fenced([&] {
    return database_.integer(
        "SELECT coalesce(max(seq), 0) + 1 FROM sqlite_sequence WHERE name = 'reference'");
  });
}

IndexResult<std::vector<Bank>> Catalogue::banks() {
  return fenced([&] {
    std::vector<Bank> banks;
    Statement rows = database_.prepare(
        "SELECT id, name, action, probes, seconds_min, paused FROM bank JOIN bank_settings ON "
        "bank_id = id WHERE removed_version IS NULL");
    while (rows.step()) banks.push_back(bank_of(rows));
    return banks;
  });
}

IndexResult<std::map<SuppressionKey, Suppression>> Catalogue::suppressions() {
  return fenced([&] {
    std::map<SuppressionKey, Suppression> suppressions;
    Statement rows =
        database_.prepare("SELECT bank, content_id, reason, until_ms FROM suppression");
    while (rows.step()) {
      Suppression suppression{rows.text(2), std::nullopt};
      if (!rows.is_null(3)) suppression.until = time_of(rows.integer(3));
      suppressions.emplace(SuppressionKey(rows.text(0), rows.text(1)), std::move(suppression));
    }
    return suppressions;
  });
}

IndexResult<void> Catalogue::visit_references(const std::function<void(StoredReference)>& visit) {
  return fenced([&] {
    Statement rows = database_.prepare(std::string("SELECT ") + kReferenceColumns +
                                       " FROM reference WHERE removed_version IS NULL ORDER BY id");
    while (rows.step()) visit(reference_of(rows));
  });
}

IndexResult<Catalogue::NewRow> Catalogue::insert_bank(const Bank& bank) {
  Bank made = bank;
  const auto version = change("create bank", bank.name, "", [&](int64_t added) {
    database_.prepare("INSERT INTO bank (name) VALUES (?)")
        .bind(1, std::string_view(bank.name))
        .run();
    made.id = database_.last_insert_id();
    insert_settings(made, added);
  });
  return version.map([&](int64_t number) { return NewRow{made.id, number}; });
}

void Catalogue::insert_settings(const Bank& bank, int64_t version) {
  database_
      .prepare(
          "INSERT INTO bank_settings (bank_id, action, probes, seconds_min, paused, added_version) "
          "VALUES (?, ?, ?, ?, ?, ?)")
      .bind(1, bank.id)
      .bind(2, name(bank.action))
      .bind(3, name(bank.probes))
      .bind(4, bank.seconds_min)
      .bind(5, int64_t{bank.paused})
      .bind(6, version)
      .run();
}

void Catalogue::end_settings(int64_t bank_id, int64_t version) {
  database_
      .prepare(
          "UPDATE bank_settings SET removed_version = ? WHERE bank_id = ? AND removed_version IS "
          "NULL")
      .bind(1, version)
      .bind(2, bank_id)
      .run();
}

IndexResult<int64_t> Catalogue::update_bank(const Bank& bank) {
  return change("set bank", bank.name, "", [&](int64_t version) {
    end_settings(bank.id, version);
    insert_settings(bank, version);
  });
}

IndexResult<int64_t> Catalogue::delete_bank(const Bank& bank) {
  return change("delete bank", bank.name, "", [&](int64_t version) {
    database_
        .prepare(
            "UPDATE reference SET removed_version = ? WHERE bank_id = ? AND removed_version IS "
            "NULL")
        .bind(1, version)
        .bind(2, bank.id)
        .run();
    end_settings(bank.id, version);
  });
}

IndexResult<Catalogue::NewReferences> Catalogue::put_references(
    std::span<const NewReference> references,
    const std::map<SuppressionKey, Suppression>& suppressions, system_clock::time_point enrolled) {
  return fenced([&] {
    Transaction transaction(database_);
    NewReferences made{};
    for (const NewReference& reference : references) {
      made.version = log_change("enrol", reference.bank->name, reference.request->content_id);
      made.ids.push_back(insert_reference(reference, made.version, enrolled));
    }
    for (const auto& [key, suppression] : suppressions) {
      insert_suppression(key, suppression);
      made.version = log_change("suppress", key.first, key.second);
    }
    transaction.commit();
    return made;
  });
}

int64_t Catalogue::insert_reference(const NewReference& reference, int64_t version,
                                    system_clock::time_point enrolled) {
  const EnrollRequest& request = *reference.request;
  const BandedItems items(request.fingerprint);
  const std::vector<uint8_t> blob = blob_of_items(items.all());
  end_reference(reference.bank->id, request.content_id, version);
  database_.prepare("INSERT INTO items (items, digest) VALUES (?, ?)")
      .bind(1, std::span<const uint8_t>(blob))
      .bind(2, items_digest(blob))
      .run();
  const int64_t items_id = database_.last_insert_id();
  database_
      .prepare(
          "INSERT INTO reference (bank_id, content_id, title, metadata, algorithm, "
          "duration_seconds, enrolled_ms, added_ms, item_count, bands, items_id, "
          "added_version) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?7, ?8, ?9, ?10, ?11)")
      .bind(1, reference.bank->id)
      .bind(2, std::string_view(request.content_id))
      .bind(3, std::string_view(request.title))
      .bind(4, std::string_view(request.metadata_json))
      .bind(5, int64_t{request.fingerprint.algorithm})
      .bind(6, request.fingerprint.duration_seconds)
      .bind(7, milliseconds_of(enrolled))
      .bind(8, static_cast<int64_t>(items.count()))
      .bind(9, static_cast<int64_t>(items.band_count()))
      .bind(10, items_id)
      .bind(11, version)
      .run();
  const int64_t id = database_.last_insert_id();
  if (id >= kSlotsMax) throw DamagedRow{"there have been too many references"};
  return id;
}

// It is kept, for a rollback.
void Catalogue::end_reference(int64_t bank_id, std::string_view content_id, int64_t version) {
  database_
      .prepare(
          "UPDATE reference SET removed_version = ? WHERE bank_id = ? AND content_id = ? AND "
          "removed_version IS NULL")
      .bind(1, version)
      .bind(2, bank_id)
      .bind(3, content_id)
      .run();
}

IndexResult<int64_t> Catalogue::delete_reference(const Bank& bank, std::string_view content_id) {
  return change("remove", bank.name, content_id,
                [&](int64_t version) { end_reference(bank.id, content_id, version); });
}

IndexResult<int64_t> Catalogue::put_suppression(const SuppressionKey& key,
                                                const Suppression& suppression) {
  return change("suppress", key.first, key.second,
                [&](int64_t) { insert_suppression(key, suppression); });
}

void Catalogue::insert_suppression(const SuppressionKey& key, const Suppression& suppression) {
  std::optional<int64_t> until_ms;
  if (suppression.until) until_ms = milliseconds_of(*suppression.until);
  database_
      .prepare(
          "INSERT OR REPLACE INTO suppression (bank, content_id, reason, until_ms) "
          "VALUES (?, ?, ?, ?)")
      .bind(1, std::string_view(key.first))
      .bind(2, std::string_view(key.second))
      .bind(3, std::string_view(suppression.reason))
      .bind(4, until_ms)
      .run();
}

IndexResult<int64_t> Catalogue::delete_suppression(const SuppressionKey& key) {
  return change("restore", key.first, key.second, [&](int64_t) {
    database_.prepare("DELETE FROM suppression WHERE bank = ? AND content_id = ?")
        .bind(1, std::string_view(key.first))
        .bind(2, std::string_view(key.second))
        .run();
  });
}

}  // namespace soundgate
