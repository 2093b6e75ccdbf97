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
// Copies on their way out. What is left of them after a kill is removed when the store is opened.
inline constexpr const char* kBackupPrefix = ".backup-";

// A file's contents reach the disk, or a directory's names; errno says why not.
bool sync_path(const std::filesystem::path& path);

// On success DIR/catalogue.db exists and is not empty.
IndexResult<LockFile> open_store_directory(const std::filesystem::path& store,
                                           const Index::Options& options);

}  // namespace soundgate
