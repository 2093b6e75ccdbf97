// Anonymous shared memory of a fixed size. It is sealed, so that nobody who holds a descriptor can
// shrink it under us: a shrunk mapping would raise SIGBUS here.
// Errors: std::system_error (start-up only).
#pragma once

#include <cstddef>

#include "fingerprint/decode/shared/unique_fd.h"

namespace soundgate::decode {

class SharedMemory {
 public:
  SharedMemory(const char* name, size_t bytes);  // zeroed; pages come when they are touched
  ~SharedMemory();
  SharedMemory(SharedMemory&& other) noexcept;
  SharedMemory& operator=(SharedMemory&& other) noexcept;

  std::byte* data() const { return data_; }
  int fd() const { return fd_.get(); }
  UniqueFd reopen_read_only() const;  // a descriptor that cannot be mapped for writing

 private:
  UniqueFd fd_;
  size_t bytes_ = 0;
  std::byte* data_ = nullptr;
};

}  // namespace soundgate::decode
