#include "index/catalogue/items_reader.h"

#include <utility>

#include "index/catalogue/items_blob.h"

namespace soundgate {

ItemsReader::ItemsReader(std::string path)
    : path_(std::move(path)),
      database_(path_),
      statement_(database_.prepare(
          "SELECT items.items, items.digest, content_id, item_count, bands FROM reference "
          "LEFT JOIN items ON items.id = items_id WHERE reference.id = ?")) {}

IndexResult<std::unique_ptr<ItemsReader>> ItemsReader::open(const std::string& path) {
  try {
    return std::unique_ptr<ItemsReader>(new ItemsReader(path));
  } catch (const DatabaseError& error) {
    return tl::unexpected(error_of(error, path));
  }
}

IndexResult<BandedItems> ItemsReader::read(int64_t reference_id) {
  const std::lock_guard lock(mutex_);
  try {
    statement_.reset();  // memory may have run out on the row of the last call
    statement_.bind(1, reference_id);
    if (!statement_.step()) {
      return tl::unexpected(IndexError{IndexError::Kind::kNotFound,
                                       path_ + ": the reference has been removed meanwhile"});
    }
    if (statement_.is_null(0)) {
      return tl::unexpected(IndexError{
          IndexError::Kind::kCorrupt,
          path_ + " is damaged: the items of reference " + statement_.text(2) + " are gone"});
    }
    const auto blob = statement_.blob(0);
    BandedItems items(items_of_blob(blob), static_cast<size_t>(statement_.integer(4)));
    const bool fits = items_digest(blob) == statement_.integer(1) &&
                      static_cast<int64_t>(items.count()) == statement_.integer(3);
    const std::string content_id = statement_.text(2);
    statement_.run();  // to its end, so that it can be bound again
    if (fits) return items;
    return tl::unexpected(IndexError{
        IndexError::Kind::kCorrupt,
        path_ + " is damaged: the items of reference " + content_id + " do not fit their digest"});
  } catch (const DatabaseError& error) {
    return tl::unexpected(error_of(error, path_));
  }
}

}  // namespace soundgate
