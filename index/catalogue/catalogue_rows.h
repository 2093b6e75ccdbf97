// What the catalogue's parts share: rows as values, and the fence about what throws.
// For catalogue*.cc only.
#pragma once

#include <chrono>
#include <string>
#include <type_traits>

#include "index/catalogue/catalogue.h"
#include "index/limits.h"

namespace soundgate {

inline int64_t milliseconds_of(std::chrono::system_clock::time_point time) {
  return std::chrono::duration_cast<std::chrono::milliseconds>(time.time_since_epoch()).count();
}

inline std::chrono::system_clock::time_point time_of(int64_t since_1970_ms) {
  return std::chrono::system_clock::time_point(std::chrono::milliseconds(since_1970_ms));
}

// What no catalogue of this schema version says, unless its bytes have changed under it.
struct DamagedRow {
  std::string what;
};

inline Bank bank_of(const Statement& row) {
  const auto action = parse_action(row.text(2));
  const auto probes = parse_probes(row.text(3));
  if (!action || !probes)
    throw DamagedRow{"bank " + row.text(1) + " has settings that do not exist"};
  return {row.integer(0), row.text(1), *action, *probes, row.real(4), row.integer(5) != 0, 0};
}

inline constexpr const char* kReferenceColumns =
    "bank_id, content_id, title, metadata, algorithm, duration_seconds, enrolled_ms, item_count, "
    "id, added_ms, bands";

// Of these columns.
inline StoredReference reference_of(const Statement& row) {
  StoredReference stored;
  stored.id = row.integer(8);
  if (stored.id <= 0 || stored.id >= kSlotsMax)
    throw DamagedRow{"reference " + row.text(1) + " has a number that was never given"};
  stored.bank_id = row.integer(0);
  stored.reference.content_id = row.text(1);
  stored.reference.title = row.text(2);
  stored.reference.metadata_json = row.text(3);
  if (row.integer(4) != kAlgorithm) {
    throw DamagedRow{"reference " + row.text(1) + " has fingerprint algorithm " + row.text(4)};
  }
  stored.reference.duration_seconds = row.real(5);
  stored.reference.enrolled = time_of(row.integer(6));
  stored.item_count = static_cast<uint32_t>(row.integer(7));
  stored.band_count = static_cast<uint32_t>(row.integer(10));
  if (stored.band_count != 1 && stored.band_count != kBandCount) {
    throw DamagedRow{"reference " + row.text(1) + " has items of " + row.text(10) + " bands"};
  }
  stored.added_ms = row.integer(9);
  return stored;
}

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
  } catch (const DamagedRow& damage) {
    return tl::unexpected(
        IndexError{IndexError::Kind::kCorrupt, path_ + " is damaged: " + damage.what});
  }
}

template <class Work>
IndexResult<int64_t> Catalogue::change(std::string_view what, std::string_view bank,
                                       std::string_view content_id, Work work) {
  return fenced([&] {
    Transaction transaction(database_);
    const int64_t version = log_change(what, bank, content_id);
    work(version);
    transaction.commit();
    return version;
  });
}

}  // namespace soundgate
