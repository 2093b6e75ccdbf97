#include "index/catalogue/catalogue.h"

#include <bit>

#include "index/catalogue/items_blob.h"
#include "index/catalogue/schema.h"
#include "index/catalogue/store_directory.h"
#include "index/limits.h"

namespace soundgate {
namespace {

using std::chrono::milliseconds;
using std::chrono::system_clock;

int64_t milliseconds_of(system_clock::time_point time) {
  return std::chrono::duration_cast<milliseconds>(time.time_since_epoch()).count();
}

system_clock::time_point time_of(int64_t since_1970_ms) {
  return system_clock::time_point(milliseconds(since_1970_ms));
}

IndexError error_of(const DatabaseError& error, const std::string& path) {
  if (error.is_corruption()) {
    return {IndexError::Kind::kCorrupt, path + " is damaged: " + error.what()};
  }
  return {IndexError::Kind::kInputOutput, path + ": " + error.what()};
}

// What no catalogue of this schema version says, unless its bytes have changed under it.
struct Damage {
  std::string what;
};

Bank bank_of(const Statement& row) {
  const auto action = parse_action(row.text(2));
  const auto probes = parse_probes(row.text(3));
  if (!action || !probes) throw Damage{"bank " + row.text(1) + " has settings that do not exist"};
  return {row.integer(0), row.text(1), *action, *probes, row.real(4), row.integer(5) != 0, 0};
}

StoredReference reference_of(const Statement& row) {
  StoredReference stored;
  stored.id = row.integer(8);
  if (stored.id >= kSlotsMax)
    throw Damage{"reference " + row.text(1) + " has a number that was never given"};
  stored.bank_id = row.integer(0);
  stored.reference.content_id = row.text(1);
  stored.reference.title = row.text(2);
  stored.reference.metadata_json = row.text(3);
  if (row.integer(4) != kAlgorithm) {
    throw Damage{"reference " + row.text(1) + " has fingerprint algorithm " + row.text(4)};
  }
  stored.reference.duration_seconds = row.real(5);
  stored.reference.enrolled = time_of(row.integer(6));
  stored.item_count = static_cast<uint32_t>(row.integer(7) / static_cast<int64_t>(sizeof(Item)));
  return stored;
}

}  // namespace

template <class Work>
auto Catalogue::fenced(Work work) -> IndexResult<decltype(work())> {
  try {
    if constexpr (std::is_void_v<decltype(work())>) {
      work();
      return {};
    } else {
      return work();
    }
  } catch (const DatabaseError& error) {
    return tl::unexpected(error_of(error, path_));
  } catch (const Damage& damage) {
    return tl::unexpected(
        IndexError{IndexError::Kind::kCorrupt, path_ + " is damaged: " + damage.what});
  }
}

template <class Work>
IndexResult<int64_t> Catalogue::change(std::string_view what, std::string_view bank,
                                       std::string_view content_id, Work work) {
  return fenced([&] {
    Transaction transaction(database_);
    work();
    const int64_t version = log_change(what, bank, content_id);
    transaction.commit();
    return version;
  });
}

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
    if (auto checked = check_schema(database, path); !checked) {
      return tl::unexpected(std::move(checked.error()));
    }
    return std::unique_ptr<Catalogue>(new Catalogue(std::move(*lock), std::move(database), path));
  } catch (const DatabaseError& error) {
    return tl::unexpected(error_of(error, path));
  }
}

IndexResult<int64_t> Catalogue::version() {
  return fenced([&] { return database_.integer("SELECT coalesce(max(version), 0) FROM change"); });
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
    Statement rows =
        database_.prepare("SELECT id, name, action, probes, seconds_min, paused FROM bank");
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
    Statement rows = database_.prepare(
        "SELECT bank_id, content_id, title, metadata, algorithm, duration_seconds, enrolled_ms, "
        "length(items), id FROM reference ORDER BY id");
    while (rows.step()) visit(reference_of(rows));
  });
}

IndexResult<Catalogue::NewRow> Catalogue::insert_bank(const Bank& bank) {
  int64_t id = 0;
  auto version = change("create bank", bank.name, "", [&] {
    database_
        .prepare(
            "INSERT INTO bank (name, action, probes, seconds_min, paused) "
            "VALUES (?, ?, ?, ?, ?)")
        .bind(1, std::string_view(bank.name))
        .bind(2, name(bank.action))
        .bind(3, name(bank.probes))
        .bind(4, bank.seconds_min)
        .bind(5, int64_t{bank.paused})
        .run();
    id = database_.last_insert_id();
  });
  return version.map([&](int64_t number) { return NewRow{id, number}; });
}

IndexResult<int64_t> Catalogue::update_bank(const Bank& bank) {
  return change("set bank", bank.name, "", [&] {
    database_
        .prepare(
            "UPDATE bank SET action = ?, probes = ?, seconds_min = ?, paused = ? "
            "WHERE id = ?")
        .bind(1, name(bank.action))
        .bind(2, name(bank.probes))
        .bind(3, bank.seconds_min)
        .bind(4, int64_t{bank.paused})
        .bind(5, bank.id)
        .run();
  });
}

IndexResult<int64_t> Catalogue::delete_bank(const Bank& bank) {
  return change("delete bank", bank.name, "", [&] {
    database_.prepare("DELETE FROM reference WHERE bank_id = ?").bind(1, bank.id).run();
    database_.prepare("DELETE FROM bank WHERE id = ?").bind(1, bank.id).run();
  });
}

IndexResult<Catalogue::NewReferences> Catalogue::put_references(
    std::span<const NewReference> references,
    const std::map<SuppressionKey, Suppression>& suppressions, system_clock::time_point enrolled) {
  return fenced([&] {
    Transaction transaction(database_);
    NewReferences made{};
    for (const NewReference& reference : references) {
      made.ids.push_back(insert_reference(reference, enrolled));
      made.version = log_change("enrol", reference.bank->name, reference.request->content_id);
    }
    for (const auto& [key, suppression] : suppressions) {
      insert_suppression(key, suppression);
      made.version = log_change("suppress", key.first, key.second);
    }
    transaction.commit();
    return made;
  });
}

int64_t Catalogue::insert_reference(const NewReference& reference,
                                    system_clock::time_point enrolled) {
  const EnrollRequest& request = *reference.request;
  const std::vector<uint8_t> blob = blob_of_items(request.fingerprint.items);
  database_
      .prepare(
          "INSERT OR REPLACE INTO reference (bank_id, content_id, title, metadata, "
          "algorithm, duration_seconds, enrolled_ms, items, items_digest) "
          "VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)")
      .bind(1, reference.bank->id)
      .bind(2, std::string_view(request.content_id))
      .bind(3, std::string_view(request.title))
      .bind(4, std::string_view(request.metadata_json))
      .bind(5, int64_t{request.fingerprint.algorithm})
      .bind(6, request.fingerprint.duration_seconds)
      .bind(7, milliseconds_of(enrolled))
      .bind(8, std::span<const uint8_t>(blob))
      .bind(9, items_digest(blob))
      .run();
  const int64_t id = database_.last_insert_id();
  if (id >= kSlotsMax) throw Damage{"there have been too many references"};
  return id;
}

IndexResult<int64_t> Catalogue::delete_reference(const Bank& bank, std::string_view content_id) {
  return change("remove", bank.name, content_id, [&] {
    database_.prepare("DELETE FROM reference WHERE bank_id = ? AND content_id = ?")
        .bind(1, bank.id)
        .bind(2, content_id)
        .run();
  });
}

IndexResult<int64_t> Catalogue::put_suppression(const SuppressionKey& key,
                                                const Suppression& suppression) {
  return change("suppress", key.first, key.second, [&] { insert_suppression(key, suppression); });
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
  return change("restore", key.first, key.second, [&] {
    database_.prepare("DELETE FROM suppression WHERE bank = ? AND content_id = ?")
        .bind(1, std::string_view(key.first))
        .bind(2, std::string_view(key.second))
        .run();
  });
}

}  // namespace soundgate
