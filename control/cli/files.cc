#include "control/cli/files.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <filesystem>

#include "control/cli/output.h"
#include "control/limits.h"
#include "control/text.h"

namespace soundgate {
namespace {

namespace fs = std::filesystem;

class DescriptorSource : public ByteSource {
 public:
  DescriptorSource(int descriptor, std::string path)
      : descriptor_(descriptor), path_(std::move(path)) {}
  ~DescriptorSource() override {
    if (descriptor_ != STDIN_FILENO) close(descriptor_);
  }
  DescriptorSource(const DescriptorSource&) = delete;
  DescriptorSource& operator=(const DescriptorSource&) = delete;

  Result<size_t> read(std::span<std::byte> buffer) override {
    ssize_t bytes = 0;
    do {
      bytes = ::read(descriptor_, buffer.data(), buffer.size());
    } while (bytes < 0 && errno == EINTR);
    if (bytes >= 0) return counted(static_cast<size_t>(bytes));
    return fail(ErrorCode::kInternal,
                "cannot read " + escape_controls(path_) + ": " + std::strerror(errno));
  }

  int64_t size_bytes() const override {
    struct stat status {};
    return fstat(descriptor_, &status) == 0 && S_ISREG(status.st_mode) ? status.st_size : -1;
  }

 private:
  // A file ends; a pipe or a device may never.
  Result<size_t> counted(size_t bytes) {
    bytes_ += bytes;
    if (bytes_ <= kFileBodyBytesMax || size_bytes() >= 0) return bytes;
    return fail(ErrorCode::kUnusable,
                escape_controls(path_) + ": larger than " + size_text(kFileBodyBytesMax));
  }

  int descriptor_;
  std::string path_;
  size_t bytes_ = 0;
};

void add_directory(const fs::path& directory, InputFiles& result) {
  std::error_code error;
  std::vector<fs::directory_entry> entries;
  for (fs::directory_iterator it(directory, error), end; !error && it != end; it.increment(error)) {
    entries.push_back(*it);
  }
  if (error) {
    print_message("cannot open " + escape_controls(directory.string()) + ": " + error.message());
    ++result.unreadable_count;
    return;
  }
  std::sort(entries.begin(), entries.end());
  for (const fs::directory_entry& entry : entries) {
    const fs::file_status status = entry.symlink_status(error);
    if (error) continue;
    if (fs::is_directory(status)) add_directory(entry.path(), result);
    if (fs::is_regular_file(status)) result.files.push_back({entry.path().string(), true});
  }
}

}  // namespace

InputFiles list_files(const std::vector<std::string>& arguments) {
  InputFiles result;
  for (const std::string& argument : arguments) {
    std::error_code error;
    if (argument != "-" && fs::is_directory(argument, error)) {
      add_directory(argument, result);
    } else {
      result.files.push_back({argument, false});
    }
  }
  return result;
}

Result<std::unique_ptr<ByteSource>> open_file(const std::string& path) {
  if (path == "-") return std::make_unique<DescriptorSource>(STDIN_FILENO, "standard input");
  const int descriptor = open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NOCTTY);
  if (descriptor >= 0) return std::make_unique<DescriptorSource>(descriptor, path);
  return fail(ErrorCode::kInternal,
              "cannot open " + escape_controls(path) + ": " + std::strerror(errno));
}

std::string title_of(const std::string& path) {
  return path == "-" ? "standard input" : utf8_or_escaped(fs::path(path).filename().string());
}

Error about_file(Error error, const std::string& path) {
  const std::string name = escape_controls(path == "-" ? "standard input" : path);
  if (error.message.find(name) == std::string::npos) error.message = name + ": " + error.message;
  return error;
}

}  // namespace soundgate
