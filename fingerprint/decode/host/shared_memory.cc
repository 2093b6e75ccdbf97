#include "fingerprint/decode/host/shared_memory.h"

#include <fcntl.h>
#include <sys/mman.h>

#include <cerrno>
#include <system_error>

namespace soundgate::decode {
namespace {

[[noreturn]] void fail(const char* what) {
  throw std::system_error(errno, std::generic_category(), what);
}

}  // namespace

SharedMemory::SharedMemory(const char* name, size_t bytes, Others others)
    : fd_(::memfd_create(name, MFD_CLOEXEC | MFD_ALLOW_SEALING)), bytes_(bytes) {
  if (!fd_) fail("memfd_create");
  if (::ftruncate(fd(), static_cast<off_t>(bytes)) != 0) fail("cannot size shared memory");
  void* mapped = ::mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_SHARED, fd(), 0);
  if (mapped == MAP_FAILED) fail("cannot map shared memory");
  data_ = static_cast<std::byte*>(mapped);
  // Last: the seal against writing leaves the mapping that is there.
  const int seals = F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL |
                    (others == Others::kRead ? F_SEAL_FUTURE_WRITE : 0);
  if (::fcntl(fd(), F_ADD_SEALS, seals) != 0) fail("cannot seal shared memory");
}

SharedMemory::~SharedMemory() {
  if (data_) ::munmap(data_, bytes_);
}

SharedMemory::SharedMemory(SharedMemory&& other) noexcept { *this = std::move(other); }

SharedMemory& SharedMemory::operator=(SharedMemory&& other) noexcept {
  std::swap(fd_, other.fd_);
  std::swap(bytes_, other.bytes_);
  std::swap(data_, other.data_);
  return *this;
}

}  // namespace soundgate::decode
