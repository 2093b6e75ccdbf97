// SegmentImage: reading all of a file to find what is not as it was written.
#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstddef>
#include <cstdlib>
#include <memory>
#include <string>

#include "index/search/checksum.h"
#include "index/search/segment_image.h"

namespace soundgate {
namespace {

constexpr size_t kPieceBytes = 1024 * 1024;
constexpr size_t kDirectAlignment = 4096;
static_assert(kPieceBytes % SegmentImage::kChunkBytes == 0);

// The file once more, around the page cache: what is cached has been read long ago, and says
// nothing of the disk. Where the file system cannot do that, it is read like any other.
class DirectFile {
 public:
  explicit DirectFile(int descriptor)
      : cached_(descriptor),
        direct_(open(("/proc/self/fd/" + std::to_string(descriptor)).c_str(),
                     O_RDONLY | O_DIRECT | O_CLOEXEC)),
        buffer_(static_cast<std::byte*>(std::aligned_alloc(kDirectAlignment, kPieceBytes))) {
    if (!buffer_) throw std::bad_alloc();
  }
  ~DirectFile() {
    if (direct_ >= 0) close(direct_);
  }
  DirectFile(const DirectFile&) = delete;
  DirectFile& operator=(const DirectFile&) = delete;

  // At most a piece, from an aligned offset on; it is there until the next one is read. Empty: it
  // cannot be read.
  std::span<const std::byte> read(size_t offset, size_t bytes) {
    if (direct_ >= 0) return read_direct(offset, bytes);
    if (read_all(cached_, offset, {buffer_.get(), bytes})) return {buffer_.get(), bytes};
    return {};
  }

 private:
  struct Free {
    void operator()(std::byte* bytes) const { std::free(bytes); }
  };

  // Whole sectors are asked for, also behind the end of the file.
  std::span<const std::byte> read_direct(size_t offset, size_t bytes) {
    const size_t whole = (bytes + kDirectAlignment - 1) / kDirectAlignment * kDirectAlignment;
    const ssize_t got = pread(direct_, buffer_.get(), whole, static_cast<off_t>(offset));
    if (got >= 0 && static_cast<size_t>(got) >= bytes) return {buffer_.get(), bytes};
    if (got >= 0 || errno != EINVAL) return {};
    close(direct_);  // opened, but not read: its sectors are larger than we think
    direct_ = -1;
    return read(offset, bytes);
  }

  int cached_;
  int direct_;
  std::unique_ptr<std::byte, Free> buffer_;
};

uint64_t digest_between(DirectFile& file, size_t begin, size_t end, bool& readable) {
  RunningChecksum digest;
  for (size_t at = begin / kDirectAlignment * kDirectAlignment; at < end;) {
    const size_t bytes = std::min(kPieceBytes, end - at);
    const auto piece = file.read(at, bytes);
    readable = readable && !piece.empty();
    if (piece.empty()) return 0;
    digest.add(piece.subspan(at < begin ? begin - at : 0));
    at += bytes;
  }
  return digest.value();
}

}  // namespace

std::vector<Damage> SegmentImage::scrub(const std::function<bool()>& stop) const {
  std::vector<Damage> damage;
  const auto note = [&](size_t offset, const char* what) {
    damage.push_back({path_.string() + " at byte " + std::to_string(offset), what});
    note_damage();
  };
  DirectFile file(mapping_.descriptor());
  bool readable = true;
  const size_t header_bytes = offsetof(SegmentHeader, header_digest);
  if (digest_between(file, 0, header_bytes, readable) != header().header_digest) {
    note(0, readable ? "the header has changed" : "the header cannot be read");
  }
  readable = true;
  if (digest_between(file, layout_.checksums, layout_.blocks, readable) != header().guide_digest) {
    note(layout_.checksums, readable ? "the guide has changed" : "the guide cannot be read");
    return damage;  // the checksums are in it
  }
  const uint64_t* checksums = mutable_this().checksums().data();
  for (size_t first = 0; first < chunks() && !stop(); first += kPieceBytes / kChunkBytes) {
    const size_t begin = layout_.blocks + first * kChunkBytes;
    const size_t piece_bytes = std::min(kPieceBytes, layout_.end - begin);
    const auto piece = file.read(begin, piece_bytes);
    for (size_t at = 0; at < piece_bytes; at += kChunkBytes) {
      const size_t bytes = std::min(kChunkBytes, piece_bytes - at);
      const auto chunk = piece.empty() ? file.read(begin + at, bytes) : piece.subspan(at, bytes);
      const uint64_t expected = checksums[first + at / kChunkBytes];
      if (chunk.empty()) {
        note(begin + at, "it cannot be read");
      } else if (checksum(chunk) != expected) {
        note(begin + at, "it has changed");
      }
    }
  }
  return damage;
}

}  // namespace soundgate
