#include "control/cli/whole_blocks.h"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

#include "control/text.h"

namespace soundgate {
namespace {

constexpr size_t kBlockBytesMin = 12;

tl::unexpected<Error> cannot(const char* what, const std::filesystem::path& path) {
  const int number = errno;
  const auto code =
      number == EEXIST || number == ELOOP ? ErrorCode::kConflict : ErrorCode::kInternal;
  return fail(code, std::string("cannot ") + what + " " + escape_controls(path.string()) + ": " +
                        std::strerror(number));
}

}  // namespace

Result<std::span<const std::byte>> WholeBlocks::add(std::span<const std::byte> piece) {
  bytes_.erase(bytes_.begin(), bytes_.begin() + static_cast<std::ptrdiff_t>(given_));
  bytes_.insert(bytes_.end(), piece.begin(), piece.end());
  given_ = 0;
  while (bytes_.size() - given_ >= kBlockBytesMin) {
    uint32_t block_bytes = 0;  // in our byte order: soundgated is on the same machine
    std::memcpy(&block_bytes, bytes_.data() + given_ + 4, sizeof block_bytes);
    if (block_bytes < kBlockBytesMin || block_bytes % 4 != 0 || block_bytes > kBlockBytesMax) {
      return fail(ErrorCode::kInternal, "what soundgated sends is no capture");
    }
    if (bytes_.size() - given_ < block_bytes) break;
    given_ += block_bytes;
  }
  return std::span<const std::byte>(bytes_.data(), given_);
}

Result<std::unique_ptr<CaptureOutput>> CaptureOutput::make(const std::filesystem::path& path) {
  if (path == "-") {
    if (isatty(STDOUT_FILENO) != 0) {
      return fail(ErrorCode::kInvalid, "a capture is nothing for a terminal: --output FILE");
    }
    return std::unique_ptr<CaptureOutput>(new CaptureOutput(path, STDOUT_FILENO, false));
  }
  // O_EXCL follows no link either.
  const int descriptor =
      open(path.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
  if (descriptor < 0) return cannot("make", path);
  return std::unique_ptr<CaptureOutput>(new CaptureOutput(path, descriptor, true));
}

CaptureOutput::~CaptureOutput() {
  if (!is_file_) return;
  close(descriptor_);
  if (bytes_ == 0) unlink(path_.c_str());
}

Result<void> CaptureOutput::write(std::span<const std::byte> piece) {
  const auto whole = blocks_.add(piece);
  if (!whole) return tl::unexpected(whole.error());
  for (std::span<const std::byte> rest = *whole; !rest.empty();) {
    const ssize_t written = ::write(descriptor_, rest.data(), rest.size());
    if (written < 0 && errno == EINTR) continue;
    if (written < 0) {
      auto failure = cannot("write", path_);
      // Blocks before the one that did not fit are good, but where they end is not known here.
      if (is_file_ && ftruncate(descriptor_, bytes_) != 0) return cannot("shorten", path_);
      return failure;
    }
    rest = rest.subspan(static_cast<size_t>(written));
  }
  bytes_ += static_cast<int64_t>(whole->size());
  return {};
}

Result<void> CaptureOutput::finish() {
  if (is_file_ && fsync(descriptor_) != 0) return cannot("write", path_);
  return {};
}

}  // namespace soundgate
