// soundgate backup: the catalogue as one file, that whoever asks for it writes: the daemon needs no
// right to the place, and we none to the daemon's files.
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstring>
#include <filesystem>
#include <memory>
#include <nlohmann/json.hpp>

#include "control/cli/commands.h"
#include "control/cli/output.h"
#include "control/limits.h"
#include "control/text.h"

namespace soundgate {
namespace {

namespace fs = std::filesystem;

tl::unexpected<Error> cannot(const char* what, const fs::path& path) {
  const int number = errno;
  return fail(ErrorCode::kInternal, std::string("cannot ") + what + " " +
                                        escape_controls(path.string()) + ": " +
                                        std::strerror(number));
}

tl::unexpected<Error> there_already(const fs::path& path) {
  return fail(ErrorCode::kConflict, escape_controls(path.string()) + " is there already (--force)");
}

bool is_store(const fs::path& directory) {
  std::error_code ignored;
  return fs::exists(directory / "catalogue.db", ignored) && fs::exists(directory / "lock", ignored);
}

// Neither the files that a store lives by, nor what is no file, whatever --force says.
Result<void> may_write(const fs::path& path) {
  std::error_code error;
  const fs::path directory = fs::weakly_canonical(fs::absolute(path, error), error).parent_path();
  if (is_store(directory) ||
      (directory.filename() == "segments" && is_store(directory.parent_path()))) {
    return fail(ErrorCode::kConflict, escape_controls(directory.string()) +
                                          " belongs to a store: no backup is put there");
  }
  struct stat status {};
  if (lstat(path.c_str(), &status) == 0 && !S_ISREG(status.st_mode)) {
    return fail(ErrorCode::kConflict,
                escape_controls(path.string()) + " is no file, and is not replaced");
  }
  return {};
}

// A file that gets its name when it is whole and on the disk, and is gone otherwise.
class NewFile {
 public:
  static Result<std::unique_ptr<NewFile>> make(const fs::path& path) {
    std::string unfinished = path.string() + ".XXXXXX";
    const int descriptor = mkostemp(unfinished.data(), O_CLOEXEC);
    if (descriptor < 0) return cannot("make a file beside", path);
    return std::unique_ptr<NewFile>(new NewFile(path, unfinished, descriptor));
  }
  ~NewFile() {
    close(descriptor_);
    if (!finished_) unlink(unfinished_.c_str());
  }
  NewFile(const NewFile&) = delete;
  NewFile& operator=(const NewFile&) = delete;

  Result<void> write(std::span<const std::byte> bytes) {
    while (!bytes.empty()) {
      const ssize_t written = ::write(descriptor_, bytes.data(), bytes.size());
      if (written < 0 && errno == EINTR) continue;
      if (written < 0) return cannot("write", path_);
      bytes = bytes.subspan(static_cast<size_t>(written));
    }
    return {};
  }

  Result<void> finish(bool replace) {
    if (fsync(descriptor_) != 0) return cannot("write", path_);
    const unsigned flags = replace ? 0 : RENAME_NOREPLACE;
    int renamed = renameat2(AT_FDCWD, unfinished_.c_str(), AT_FDCWD, path_.c_str(), flags);
    // Not every file system can do that; it was not there when we began.
    if (renamed != 0 && errno == EINVAL) renamed = rename(unfinished_.c_str(), path_.c_str());
    if (renamed != 0 && errno == EEXIST) return there_already(path_);
    if (renamed != 0) return cannot("rename a file to", path_);
    finished_ = true;
    const fs::path directory = path_.has_parent_path() ? path_.parent_path() : fs::path(".");
    const int opened = open(directory.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    const bool synced = opened >= 0 && fsync(opened) == 0;
    if (opened >= 0) close(opened);
    if (!synced) return cannot("sync", directory);
    return {};
  }

 private:
  NewFile(fs::path path, std::string unfinished, int descriptor)
      : path_(std::move(path)), unfinished_(std::move(unfinished)), descriptor_(descriptor) {}

  fs::path path_;
  std::string unfinished_;
  int descriptor_;
  bool finished_ = false;
};

Result<int64_t> copy(ByteSource& source, NewFile& file) {
  const auto buffer = std::make_unique_for_overwrite<std::byte[]>(kReadPieceBytes);
  for (int64_t all = 0;;) {
    const auto bytes = source.read({buffer.get(), kReadPieceBytes});
    if (!bytes) return tl::unexpected(bytes.error());
    if (*bytes == 0) return all;
    if (auto written = file.write({buffer.get(), *bytes}); !written) {
      return tl::unexpected(written.error());
    }
    all += static_cast<int64_t>(*bytes);
  }
}

}  // namespace

Result<int> back_up(const Invocation& invocation, const BackupOptions& options) {
  const fs::path path = options.file;
  struct stat status {};
  if (!options.force && lstat(path.c_str(), &status) == 0) return there_already(path);
  if (auto may = may_write(path); !may) return tl::unexpected(may.error());
  auto backend = invocation.open();
  if (!backend) return tl::unexpected(backend.error());
  auto file = NewFile::make(path);
  if (!file) return tl::unexpected(file.error());
  const auto answer =
      (*backend)->stream({.method = "GET", .path = {"v1", "backup"}, .takes_long = true});
  if (!answer) return tl::unexpected(answer.error());
  const auto bytes = copy(**answer, **file);
  if (!bytes) return tl::unexpected(bytes.error());
  if (auto finished = (*file)->finish(options.force); !finished) {
    return tl::unexpected(finished.error());
  }
  if (invocation.json) {
    print_json({{"file", utf8_or_escaped(options.file)}, {"bytes", *bytes}});
  } else {
    print_line("backed up to " + escape_controls(options.file) + ", " +
               size_text(static_cast<double>(*bytes)));
  }
  return 0;
}

}  // namespace soundgate
