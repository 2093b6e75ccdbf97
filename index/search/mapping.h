// Memory that is mapped: anonymous, or a file. Unmapped when it goes.
// What has not been read of a file yet is read with pread() first: a sector that fails is an error
// there, and a signal in mapped memory.
// Errors: kInputOutput.
// Thread: as memory.
#pragma once

#include <cstddef>
#include <filesystem>
#include <span>
#include <utility>

#include "index/index.h"

namespace soundgate {

class Mapping {
 public:
  Mapping() = default;
  // Zeroes, in memory. Throws std::bad_alloc.
  explicit Mapping(size_t bytes);
  // A new file of zeroes, writable, its disk space taken: a full disk is an error here, not a
  // signal later. What had the name is replaced.
  static IndexResult<Mapping> create(const std::filesystem::path& path, size_t bytes);
  static IndexResult<Mapping> open(const std::filesystem::path& path);
  ~Mapping();
  Mapping(Mapping&& other) noexcept
      : data_(std::exchange(other.data_, nullptr)),
        bytes_(std::exchange(other.bytes_, 0)),
        descriptor_(std::exchange(other.descriptor_, -1)) {}
  Mapping& operator=(Mapping&& other) noexcept {
    std::swap(data_, other.data_);
    std::swap(bytes_, other.bytes_);
    std::swap(descriptor_, other.descriptor_);
    return *this;
  }

  std::byte* data() const { return data_; }
  size_t size() const { return bytes_; }
  int descriptor() const { return descriptor_; }  // -1: anonymous

  // All of `into`, from the file's byte `offset` on. False: it cannot be read, or is not there.
  bool read(size_t offset, std::span<std::byte> into) const;

  // Nobody writes to it any more; of a file, all of it reaches the disk.
  IndexResult<void> seal(const std::filesystem::path& path);

 private:
  Mapping(std::byte* data, size_t bytes, int descriptor)
      : data_(data), bytes_(bytes), descriptor_(descriptor) {}

  std::byte* data_ = nullptr;
  size_t bytes_ = 0;
  int descriptor_ = -1;  // of a file; also of one whose name is gone
};

bool read_all(int descriptor, size_t offset, std::span<std::byte> into);

// Makes a rename, or a removal, in this directory reach the disk.
IndexResult<void> sync_directory(const std::filesystem::path& directory);

}  // namespace soundgate
