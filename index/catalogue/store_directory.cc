#include "index/catalogue/store_directory.h"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <system_error>
#include <vector>

#include "index/catalogue/database.h"
#include "index/catalogue/schema.h"

namespace soundgate {
namespace {

namespace fs = std::filesystem;

tl::unexpected<IndexError> failed(const std::string& what, const std::string& why) {
  return tl::unexpected(IndexError{IndexError::Kind::kInputOutput, "cannot " + what + ": " + why});
}

IndexResult<void> make_directory(const fs::path& store) {
  std::error_code error;
  fs::create_directories(store, error);
  if (error) return failed("make the store " + store.string(), error.message());
  const fs::path parent = fs::absolute(store, error).lexically_normal().parent_path();
  if (!sync_path(parent)) return failed("sync " + parent.string(), strerror(errno));
  return {};
}

IndexResult<void> make_catalogue(const fs::path& store) {
  const fs::path unfinished = store / "catalogue.db.new";
  std::error_code error;
  for (const char* suffix : {"", "-wal", "-shm"}) fs::remove(unfinished.string() + suffix, error);
  try {
    Database database(unfinished);
    make_tables(database);
  } catch (const DatabaseError& caught) {
    return failed("make " + unfinished.string(), caught.what());
  }
  // Closed, the database is one file: what was in its WAL has been moved into it.
  if (!sync_path(unfinished)) return failed("sync " + unfinished.string(), strerror(errno));
  fs::rename(unfinished, store / kCatalogueFile, error);
  if (error) return failed("rename " + unfinished.string(), error.message());
  if (!sync_path(store)) return failed("sync " + store.string(), strerror(errno));
  return {};
}

// What they took of the disk is all that is wrong with them.
void remove_leftovers(const fs::path& store) {
  std::error_code error;
  std::vector<fs::path> leftovers;
  for (fs::directory_iterator entry(store, error), end; !error && entry != end;
       entry.increment(error)) {
    if (entry->path().filename().string().starts_with(kBackupPrefix)) {
      leftovers.push_back(entry->path());
    }
  }
  for (const fs::path& path : leftovers) fs::remove(path, error);
}

}  // namespace

// A file's name is safe only when its directory has reached the disk.
bool sync_path(const fs::path& path) {
  const int descriptor = open(path.c_str(), O_RDONLY | O_CLOEXEC);
  if (descriptor < 0) return false;
  const bool synced = fsync(descriptor) == 0;
  close(descriptor);
  return synced;
}

IndexResult<LockFile> open_store_directory(const fs::path& store, const Index::Options& options) {
  std::error_code error;
  const fs::path catalogue = store / kCatalogueFile;
  const bool there = fs::exists(catalogue, error);
  if (error) return failed("look at " + catalogue.string(), error.message());
  if (!there && !options.create) {
    return tl::unexpected(
        IndexError{IndexError::Kind::kNotFound, "there is no store at " + store.string()});
  }
  if (!there) {
    if (auto made = make_directory(store); !made) return tl::unexpected(std::move(made.error()));
  }
  auto lock = LockFile::acquire(store, options.owner);
  if (!lock) return lock;
  remove_leftovers(store);
  // Asked again: whoever held the lock before us may have made it.
  if (!fs::exists(catalogue, error)) {
    if (auto made = make_catalogue(store); !made) return tl::unexpected(std::move(made.error()));
  } else if (fs::file_size(catalogue, error) == 0) {
    return tl::unexpected(
        IndexError{IndexError::Kind::kCorrupt, catalogue.string() + " is damaged: it is empty"});
  }
  return lock;
}

}  // namespace soundgate
