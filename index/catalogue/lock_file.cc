#include "index/catalogue/lock_file.h"

#include <fcntl.h>
#include <sys/file.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <string>
#include <utility>

namespace soundgate {
namespace {

// "soundgated (pid 123)", as the holder wrote it; it may be writing it just now.
std::string holder_of(int descriptor) {
  std::array<char, 128> text;
  const ssize_t size = pread(descriptor, text.data(), text.size(), 0);
  if (size <= 0) return "another process";
  std::string holder(text.data(), static_cast<size_t>(size));
  holder.erase(std::min(holder.find('\n'), holder.size()));
  std::ranges::replace_if(
      holder, [](unsigned char c) { return c < ' ' || c > '~'; }, '?');
  return holder;
}

void write_holder(int descriptor, std::string_view owner) {
  std::string text(owner.substr(0, 64));
  text += " (pid " + std::to_string(getpid()) + ")\n";
  // Only a courtesy: the lock holds without it.
  if (ftruncate(descriptor, 0) != 0) return;
  if (pwrite(descriptor, text.data(), text.size(), 0) < 0) return;
}

}  // namespace

IndexResult<LockFile> LockFile::acquire(const std::filesystem::path& store,
                                        std::string_view owner) {
  const std::filesystem::path path = store / "lock";
  const int descriptor = open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0640);
  if (descriptor < 0) {
    return tl::unexpected(IndexError{IndexError::Kind::kInputOutput,
                                     "cannot open " + path.string() + ": " + strerror(errno)});
  }
  LockFile lock(descriptor);
  if (flock(descriptor, LOCK_EX | LOCK_NB) != 0) {
    if (errno != EWOULDBLOCK) {
      return tl::unexpected(IndexError{IndexError::Kind::kInputOutput,
                                       "cannot lock " + path.string() + ": " + strerror(errno)});
    }
    return tl::unexpected(
        IndexError{IndexError::Kind::kInUse,
                   "store " + store.string() + " is in use by " + holder_of(descriptor)});
  }
  write_holder(descriptor, owner.empty() ? "a process" : owner);
  return lock;
}

LockFile::LockFile(LockFile&& other) noexcept : descriptor_(std::exchange(other.descriptor_, -1)) {}

LockFile& LockFile::operator=(LockFile&& other) noexcept {
  std::swap(descriptor_, other.descriptor_);
  return *this;
}

LockFile::~LockFile() {
  if (descriptor_ >= 0) close(descriptor_);
}

}  // namespace soundgate
