// The directory of a store: made, found, and locked.
// A new catalogue is made under another name and renamed, so that an empty or half-made file is
// always damage, never a store that was just about to be.
// Errors: kNotFound, kInUse, kCorrupt, kInputOutput.
#pragma once

#include <filesystem>

#include "index/catalogue/lock_file.h"
#include "index/index.h"

namespace soundgate {

inline constexpr const char* kCatalogueFile = "catalogue.db";

// On success DIR/catalogue.db exists and is not empty.
IndexResult<LockFile> open_store_directory(const std::filesystem::path& store,
                                           const Index::Options& options);

}  // namespace soundgate
