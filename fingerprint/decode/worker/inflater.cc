#include "fingerprint/decode/worker/inflater.h"

#include <zlib.h>

#include <algorithm>
#include <new>

#include "fingerprint/decode/limits.h"

namespace soundgate::decode {
namespace {

// What inflateInit2() takes: the largest window, and 16 more for gzip.
int window_bits(Inflater::Format format) {
  return MAX_WBITS + (format == Inflater::Format::kGzip ? 16 : 0);
}

}  // namespace

struct Inflater::Zlib {
  z_stream stream{};
  gz_header header{};
};

Inflater::Inflater(Format format) : format_(format), zlib_(std::make_unique<Zlib>()) {
  if (inflateInit2(&zlib_->stream, window_bits(format)) != Z_OK) throw std::bad_alloc();
  if (format_ == Format::kGzip) inflateGetHeader(&zlib_->stream, &zlib_->header);
}

Inflater::~Inflater() { inflateEnd(&zlib_->stream); }

// One that follows another.
bool Inflater::begin_member(std::span<const uint8_t> coded) {
  constexpr uint8_t kGzipFirst = 0x1f;
  if (format_ != Format::kGzip || coded.front() != kGzipFirst) return false;
  inflateReset(&zlib_->stream);
  inflateGetHeader(&zlib_->stream, &zlib_->header);
  is_at_end_ = false;
  return true;
}

Inflater::Step Inflater::inflate(std::span<const uint8_t> coded, std::span<uint8_t> to) {
  if (is_bad_ || coded.empty() || to.empty()) return {0, 0};
  if (is_at_end_ && !begin_member(coded)) {
    is_bad_ = true;
    return {0, 0};
  }
  z_stream& stream = zlib_->stream;
  const bool in_header = format_ == Format::kGzip && zlib_->header.done == 0;
  stream.next_in = const_cast<uint8_t*>(coded.data());  // which zlib leaves as they are
  stream.avail_in = static_cast<uInt>(coded.size());
  stream.next_out = to.data();
  stream.avail_out = static_cast<uInt>(to.size());
  // Z_BLOCK stops behind the header.
  const int result = ::inflate(&stream, in_header ? Z_BLOCK : Z_NO_FLUSH);
  const bool header_too_long = in_header && stream.total_in > kGzipHeaderBytesMax;
  is_at_end_ = result == Z_STREAM_END;
  is_bad_ = (result != Z_OK && result != Z_STREAM_END && result != Z_BUF_ERROR) || header_too_long;
  return {coded.size() - stream.avail_in, to.size() - stream.avail_out};
}

}  // namespace soundgate::decode
