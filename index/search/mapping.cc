#include "index/search/mapping.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <new>
#include <string>
#include <utility>

namespace soundgate {
namespace {

constexpr size_t kHugePageBytes = 2 * 1024 * 1024;

tl::unexpected<IndexError> failed(const char* what, const std::filesystem::path& path, int number) {
  return tl::unexpected(
      IndexError{IndexError::Kind::kInputOutput,
                 std::string("cannot ") + what + " " + path.string() + ": " + strerror(number)});
}

class Descriptor {
 public:
  explicit Descriptor(int descriptor) : descriptor_(descriptor) {}
  ~Descriptor() {
    if (descriptor_ >= 0) close(descriptor_);
  }
  Descriptor(const Descriptor&) = delete;
  Descriptor& operator=(const Descriptor&) = delete;
  int get() const { return descriptor_; }
  int release() { return std::exchange(descriptor_, -1); }

 private:
  int descriptor_;
};

}  // namespace

Mapping::Mapping(size_t bytes) : bytes_(bytes) {
  void* data = mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (data == MAP_FAILED) throw std::bad_alloc();
  // Lists lie all over it: with small pages, each would cost a walk of the page table or two.
  if (bytes >= kHugePageBytes) madvise(data, bytes, MADV_HUGEPAGE);
  data_ = static_cast<std::byte*>(data);
}

IndexResult<Mapping> Mapping::create(const std::filesystem::path& path, size_t bytes) {
  Descriptor file(::open(path.c_str(), O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0640));
  if (file.get() < 0) return failed("make", path, errno);
  // What was taken before the disk was full would stay taken.
  const auto give_up = [&](const char* what, int number) {
    ::unlink(path.c_str());
    return failed(what, path, number);
  };
  const int taken = posix_fallocate(file.get(), 0, static_cast<off_t>(bytes));
  if (taken != 0) return give_up("take disk space for", taken);
  void* data = mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_SHARED, file.get(), 0);
  if (data == MAP_FAILED) return give_up("map", errno);
  return Mapping(static_cast<std::byte*>(data), bytes, file.release());
}

IndexResult<Mapping> Mapping::open(const std::filesystem::path& path) {
  const auto damaged = [&](const char* how) {
    return tl::unexpected(
        IndexError{IndexError::Kind::kCorrupt, path.string() + " is damaged: " + how});
  };
  // O_NONBLOCK: nobody may ever write to what is a pipe.
  Descriptor file(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK));
  struct stat status {};
  if (file.get() < 0 && errno == ELOOP) return damaged("it is a link");
  if (file.get() < 0 || fstat(file.get(), &status) != 0) return failed("open", path, errno);
  if (!S_ISREG(status.st_mode)) return damaged("it is no file");
  const auto bytes = static_cast<size_t>(status.st_size);
  if (bytes == 0) return damaged("it is empty");
  void* data = mmap(nullptr, bytes, PROT_READ, MAP_SHARED, file.get(), 0);
  if (data == MAP_FAILED) return failed("map", path, errno);
  return Mapping(static_cast<std::byte*>(data), bytes, file.release());
}

Mapping::~Mapping() {
  if (data_ != nullptr) munmap(data_, bytes_);
  if (descriptor_ >= 0) close(descriptor_);
}

bool Mapping::read(size_t offset, std::span<std::byte> into) const {
  return read_all(descriptor_, offset, into);
}

bool read_all(int descriptor, size_t offset, std::span<std::byte> into) {
  while (!into.empty()) {
    const ssize_t bytes = pread(descriptor, into.data(), into.size(), static_cast<off_t>(offset));
    if (bytes < 0 && errno == EINTR) continue;
    if (bytes <= 0) return false;
    into = into.subspan(static_cast<size_t>(bytes));
    offset += static_cast<size_t>(bytes);
  }
  return true;
}

IndexResult<void> Mapping::seal(const std::filesystem::path& path) {
  if (!path.empty()) {
    if (msync(data_, bytes_, MS_SYNC) != 0) return failed("write", path, errno);
    if (fsync(descriptor_) != 0) return failed("sync", path, errno);
  }
  if (mprotect(data_, bytes_, PROT_READ) != 0) return failed("protect", path, errno);
  return {};
}

IndexResult<void> sync_directory(const std::filesystem::path& directory) {
  const Descriptor file(::open(directory.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (file.get() < 0 || fsync(file.get()) != 0) return failed("sync", directory, errno);
  return {};
}

}  // namespace soundgate
