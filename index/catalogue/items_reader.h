// Reads the items of single references, beside whatever the catalogue does: on a connection of its
// own, which sees all that has been committed.
// Errors: kNotFound (removed by now), kCorrupt (they do not fit their digest), kInputOutput.
// Thread: any; one reads at a time.
#pragma once

#include <cstdint>
#include <memory>
#include <mutex>
#include <string>

#include "index/banded_items.h"
#include "index/catalogue/database.h"
#include "index/index.h"

namespace soundgate {

class ItemsReader {
 public:
  static IndexResult<std::unique_ptr<ItemsReader>> open(const std::string& path);
  IndexResult<BandedItems> read(int64_t reference_id);

 private:
  explicit ItemsReader(std::string path);

  std::string path_;
  std::mutex mutex_;  // of what follows
  Database database_;
  Statement statement_;
};

}  // namespace soundgate
