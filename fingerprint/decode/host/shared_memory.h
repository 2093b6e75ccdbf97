// Anonymous shared memory of a fixed size. It is sealed, so that nobody who holds a descriptor can
// shrink it under us (a shrunk mapping would raise SIGBUS here), nor write to it unless that is
// wanted: not even root can map a sealed memory for writing, or open it once more.
// Errors: std::system_error.
#pragma once

#include <cstddef>
#include <cstdint>

#include "fingerprint/decode/shared/unique_fd.h"

namespace soundgate::decode {

class SharedMemory {
 public:
  enum class Others : uint8_t { kRead, kReadAndWrite };  // whoever gets the descriptor
  // Zeroed; pages come when they are touched.
  SharedMemory(const char* name, size_t bytes, Others others);
  ~SharedMemory();
  SharedMemory(SharedMemory&& other) noexcept;
  SharedMemory& operator=(SharedMemory&& other) noexcept;

  std::byte* data() const { return data_; }
  int fd() const { return fd_.get(); }

 private:
  UniqueFd fd_;
  size_t bytes_ = 0;
  std::byte* data_ = nullptr;
};

}  // namespace soundgate::decode
