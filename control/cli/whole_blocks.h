// A pcapng file that holds whole blocks at any moment, and so can be read, whatever ends its
// writing: a signal, a full disk, the other side.
// Input: the file in pieces of any length.  Memory: one block at most.
// Errors: kInternal: what comes is no pcapng, or cannot be written; the file keeps what was.
// Thread: one.
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <span>
#include <vector>

#include "control/error.h"

namespace soundgate {

// Cuts a stream where its blocks end.
class WholeBlocks {
 public:
  static constexpr size_t kBlockBytesMax = size_t{1} << 20;

  // What can be written now; good until the next call.
  Result<std::span<const std::byte>> add(std::span<const std::byte> piece);

 private:
  std::vector<std::byte> bytes_;
  size_t given_ = 0;
};

class CaptureOutput {
 public:
  // "-": standard output. Else a file that must not be there yet, nor a link: kConflict.
  static Result<std::unique_ptr<CaptureOutput>> make(const std::filesystem::path& path);
  CaptureOutput(const CaptureOutput&) = delete;
  CaptureOutput& operator=(const CaptureOutput&) = delete;
  ~CaptureOutput();  // takes the file away where nothing was written

  Result<void> write(std::span<const std::byte> piece);
  Result<void> finish();  // it is on the disk
  int64_t bytes() const { return bytes_; }
  bool is_file() const { return is_file_; }

 private:
  CaptureOutput(std::filesystem::path path, int descriptor, bool is_file)
      : path_(std::move(path)), descriptor_(descriptor), is_file_(is_file) {}

  const std::filesystem::path path_;
  const int descriptor_;
  const bool is_file_;
  WholeBlocks blocks_;
  int64_t bytes_ = 0;  // of whole blocks
};

}  // namespace soundgate
