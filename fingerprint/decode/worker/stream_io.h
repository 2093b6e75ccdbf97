// What libavformat reads a stream through.
// Seeking: forward by reading, except in formats that name byte positions (MP4), which may go
//   anywhere that is still kept, and wait for what has not come yet.
// Gaps: bytes that are gone (a worker before this one had consumed them) are jumped over, or read
// as
//   zeros where byte positions count; what is made of those is not to be used.
// Steps: reads end at the same places however bytes arrive, since what libav makes of damage
// depends
//   on what it finds in its buffer.
// Errors: AVERROR_EOF at the end; AVERROR_EXIT when the stream is over for another reason, stop().
// Thread: the stream's fiber.
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "fingerprint/decode/decoder_pool.h"
#include "fingerprint/decode/worker/libav_ptr.h"
#include "fingerprint/decode/worker/stream_task.h"

namespace soundgate::decode {

class StreamIo {
 public:
  explicit StreamIo(StreamContext& stream);

  // The next bytes of the stream, at least bytes_min of them if it has so many. Not consumed.
  std::vector<uint8_t> peek(size_t bytes_min);

  void skip(uint64_t bytes);  // before libav reads any

  AVIOContext* context() { return context_.get(); }
  void allow_seeking() { context_->seekable = AVIO_SEEKABLE_NORMAL; }
  void keep_positions() { keeps_positions_ = true; }
  // libav has read the headers. forward_only: from now on only what lies ahead is needed.
  void opened(bool forward_only) {
    opening_ = false;
    forward_only_ = forward_only;
  }

  // Where bytes were missing, as libav counts positions: it does not see what is jumped over.
  struct Gap {
    int64_t begin;
    int64_t end;
    uint64_t missing_bytes;
  };
  const std::optional<Gap>& gap() const { return gap_; }

  // Whether the stream may go on: nothing has stopped it, and it has CPU left.
  bool may_go_on();
  // Why no more bytes came, where that was not the end of the stream.
  std::optional<DecodeOutcome> stop() const { return stop_; }

 private:
  int read(std::span<uint8_t> to);
  ByteSource::Result read_step(std::span<uint8_t> to);
  bool outgrows_spool();
  int bridge_gap(std::span<uint8_t> to);
  int64_t size() const;
  int64_t seek(int64_t offset, int whence);
  bool seekable() const { return context_->seekable != 0; }

  StreamContext& stream_;
  uint64_t position_ = 0;
  bool opening_ = true;
  bool looks_for_fragments_ = false;  // see seek()
  bool forward_only_ = false;
  uint64_t read_to_ = 0;  // the furthest so far, since it goes forward only
  bool keeps_positions_ = false;
  std::optional<Gap> gap_;
  std::optional<DecodeOutcome> stop_;
  LibavPtr<AVIOContext> context_;
};

}  // namespace soundgate::decode
