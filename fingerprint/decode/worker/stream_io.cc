#include "fingerprint/decode/worker/stream_io.h"

#include <algorithm>
#include <new>

namespace soundgate::decode {

StreamIo::StreamIo(StreamContext& stream) : stream_(stream) {
  auto* buffer = static_cast<unsigned char*>(av_malloc(kReadBufferBytes));
  const auto read_callback = [](void* self, uint8_t* to, int bytes) {
    return static_cast<StreamIo*>(self)->read({to, static_cast<size_t>(bytes)});
  };
  const auto seek_callback = [](void* self, int64_t offset, int whence) {
    return static_cast<StreamIo*>(self)->seek(offset, whence);
  };
  if (buffer) {
    context_.reset(avio_alloc_context(buffer, kReadBufferBytes, 0, this, read_callback, nullptr,
                                      seek_callback));
  }
  if (!context_) {
    av_free(buffer);
    throw std::bad_alloc();
  }
  context_->seekable = 0;
  context_->max_packet_size = kReadStepBytes;  // or libav would keep one step, and no more
}

std::vector<uint8_t> StreamIo::peek(size_t bytes_min) {
  std::vector<uint8_t> bytes(bytes_min);
  size_t filled = 0;
  while (filled < bytes_min) {
    const auto result = stream_.read(position_ + filled, std::span(bytes).subspan(filled));
    if (result.state == ByteSource::State::kEnd) break;
    if (result.state != ByteSource::State::kBytes) {
      const bool is_broken = result.state == ByteSource::State::kBroken;
      stop_ = is_broken ? DecodeOutcome::decoder_inflate : DecodeOutcome::decoder_lost;
      break;
    }
    filled += result.bytes;
  }
  bytes.resize(filled);
  return bytes;
}

bool StreamIo::may_go_on() {
  if (!stop_ && !stream_.has_cpu_left()) stop_ = DecodeOutcome::decoder_cpu;
  return !stop_;
}

void StreamIo::skip(uint64_t bytes) {
  position_ += bytes;
  context_->pos = static_cast<int64_t>(position_);
  stream_.consumed(position_);
}

int StreamIo::read(std::span<uint8_t> to) {
  if (looks_for_fragments_) return AVERROR_EOF;
  if (!seekable() || forward_only_) stream_.consumed(position_);
  if (seekable() && !forward_only_ && outgrows_spool()) stop_ = DecodeOutcome::spool_limit;
  if (!may_go_on()) return AVERROR_EXIT;
  const ByteSource::Result result = read_step(to);
  switch (result.state) {
    case ByteSource::State::kBytes:
      position_ += result.bytes;
      if (forward_only_) read_to_ = std::max(read_to_, position_);
      return static_cast<int>(result.bytes);
    case ByteSource::State::kEnd:
      return AVERROR_EOF;
    case ByteSource::State::kNoRoom:
      stop_ = DecodeOutcome::spool_limit;
      return AVERROR_EXIT;
    case ByteSource::State::kBroken:
      stop_ = DecodeOutcome::decoder_inflate;
      return AVERROR_EXIT;
    case ByteSource::State::kEvicted:
      if (forward_only_) return bridge_gap(to);
      break;
    case ByteSource::State::kStopped:
    case ByteSource::State::kNotYet:
      break;
  }
  stop_ = DecodeOutcome::decoder_lost;
  return AVERROR_EXIT;
}

// To the end of a step: all of it, or what there will ever be. A demuxer that knows where
// everything lies searches nothing, and need not wait for bytes behind the last that it wants.
ByteSource::Result StreamIo::read_step(std::span<uint8_t> to) {
  if (keeps_positions_) return stream_.read(position_, to);
  to = to.first(std::min(to.size(), kReadStepBytes - position_ % kReadStepBytes));
  ByteSource::Result all{ByteSource::State::kBytes, 0};
  while (all.bytes < to.size()) {
    const auto result = stream_.read(position_ + all.bytes, to.subspan(all.bytes));
    if (result.state != ByteSource::State::kBytes) return all.bytes > 0 ? all : result;
    all.bytes += result.bytes;
  }
  return all;
}

// A header that lies may want to go on anywhere: it is the stream that must be so long, too.
bool StreamIo::outgrows_spool() {
  const uint64_t bytes_max = stream_.spool_bytes_max();
  if (position_ <= bytes_max) return false;
  if (stream_.size_bytes() >= 0) return static_cast<uint64_t>(stream_.size_bytes()) > bytes_max;
  uint8_t byte;
  return stream_.read(bytes_max, {&byte, 1}).state != ByteSource::State::kEnd;
}

// There is one gap, since a worker evicts nothing that it has not read itself, and it lies ahead.
// Going back to what was not to be needed again (a crafted index may) is another matter: it would
// read zeros for what others will read there.
int StreamIo::bridge_gap(std::span<uint8_t> to) {
  const auto begin = static_cast<int64_t>(position_);
  const bool in_gap = gap_ && keeps_positions_ && begin < gap_->end;
  if (position_ < read_to_ || (gap_ && !in_gap)) {
    stop_ = DecodeOutcome::decoder_lost;
    return AVERROR_EXIT;
  }
  const uint64_t missing = stream_.next_kept() - position_;
  if (!gap_) {
    gap_ = Gap{begin, begin + (keeps_positions_ ? static_cast<int64_t>(missing) : 0), missing};
  }
  const size_t count = keeps_positions_ ? std::min<uint64_t>(missing, to.size()) : missing;
  read_to_ = position_ += count;
  if (!keeps_positions_) return read(to);
  std::fill_n(to.begin(), count, uint8_t{0});
  return static_cast<int>(count);
}

// Where nobody knows it: MP4 looks for boxes up to the size; MP3 distrusts its headers when they
// promise less than the size, and takes 0 for unknown.
int64_t StreamIo::size() const {
  if (stream_.size_bytes() >= 0) return stream_.size_bytes();
  return seekable() ? INT64_MAX / 2 : 0;
}

int64_t StreamIo::seek(int64_t offset, int whence) {
  if (whence & AVSEEK_SIZE) return size();
  if (!seekable()) return AVERROR(ESPIPE);
  if ((whence & ~AVSEEK_FORCE) != SEEK_SET || offset < 0) return AVERROR(EINVAL);
  position_ = static_cast<uint64_t>(offset);
  // Where an index of segments (sidx) comes first, libav looks into the last four bytes, too, for
  // the length of an index of fragments, which it can do without: nothing waits for that.
  constexpr int64_t kLengthBytes = 4;
  looks_for_fragments_ = opening_ && offset == size() - kLengthBytes;
  return offset;
}

}  // namespace soundgate::decode
