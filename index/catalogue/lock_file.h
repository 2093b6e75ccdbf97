// One process at a time has a store open: an flock on DIR/lock, which dies with its holder. The
// file names the holder to the one who comes second.
// Errors: kInUse, "store DIR is in use by soundgated (pid 123)"; kInputOutput.
// Thread: any; owned by the catalogue.
#pragma once

#include <filesystem>
#include <string_view>

#include "index/index.h"

namespace soundgate {

class LockFile {
 public:
  static IndexResult<LockFile> acquire(const std::filesystem::path& store, std::string_view owner);

  LockFile(LockFile&& other) noexcept;
  LockFile& operator=(LockFile&& other) noexcept;
  ~LockFile();

 private:
  explicit LockFile(int descriptor) : descriptor_(descriptor) {}

  int descriptor_ = -1;
};

}  // namespace soundgate
